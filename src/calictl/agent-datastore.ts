import type { Clock } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type {
  Datastore,
  GetResult,
  LeaseId,
  ListResult,
  Transaction,
  TransactionResult,
  Watch,
  WatchHandler,
} from "../datastore/datastore.ts";
import { closedError, DatastoreError, type DatastoreErrorCode } from "../datastore/errors.ts";
import {
  bigintAsText,
  readBigint,
  readFields,
  readKeyValue,
  readList,
  readListResult,
  readOperationResponse,
  readWatchEvent,
} from "../datastore/json-form.ts";
import { validateLeaseTtl, validateTransaction } from "../datastore/validate.ts";
import { type AgentClient, AgentClientError } from "./agent-client.ts";

/** How long a watch waits before it asks the agent again, in milliseconds. */
const WATCH_RETRY_MS = 200;

/** The errors of a store that an agent passes on; anything else it says is about the request. */
const passedOn: ReadonlySet<string> = new Set<DatastoreErrorCode>([
  "DATASTORE_UNAVAILABLE",
  "OUTCOME_UNKNOWN",
  "LEASE_NOT_FOUND",
  "TOO_MANY_OPERATIONS",
  "DUPLICATE_KEY",
  "INVALID_REQUEST",
  "DATASTORE_TLS_FAILED",
  "DATASTORE_UNAUTHENTICATED",
  "DATASTORE_FORBIDDEN",
  "DATASTORE_FULL",
]);

/** The datastore of a running agent, through its socket: for who runs on a node and has no connection of his own. Root only. */
export class AgentDatastore implements Datastore {
  readonly #client: AgentClient;
  readonly #clock: Clock;
  readonly #watches = new Set<AgentWatch>();
  #reachable = true;
  #closed = false;

  constructor(client: AgentClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  get reachable(): boolean {
    return this.#reachable;
  }

  async get(key: string): Promise<GetResult> {
    const answer = await this.#call("GET", `key?key=${encodeURIComponent(key)}`);
    const { item, revision } = readFields(answer, "answer");
    return {
      revision: readBigint(revision, "revision"),
      ...(item !== undefined && { item: readKeyValue(item) }),
    };
  }

  async list(prefix: string): Promise<ListResult> {
    return readListResult(await this.#call("GET", `keys?prefix=${encodeURIComponent(prefix)}`));
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    validateTransaction(transaction);
    const plain: unknown = JSON.parse(JSON.stringify(transaction, bigintAsText));
    const { succeeded, revision, responses } = readFields(await this.#call("POST", "transactions", plain), "answer");
    return {
      succeeded: succeeded === true,
      revision: readBigint(revision, "revision"),
      responses: readList(responses, "responses", readOperationResponse),
    };
  }

  watch(prefix: string, fromRevision: bigint, handler: WatchHandler): Watch {
    if (this.#closed) throw closedError();
    const watch = new AgentWatch(this.#client, this.#clock, prefix, fromRevision, handler);
    this.#watches.add(watch);
    return {
      cancel: () => {
        this.#watches.delete(watch);
        watch.cancel();
      },
    };
  }

  async grantLease(ttlSec: number): Promise<LeaseId> {
    validateLeaseTtl(ttlSec);
    const { lease } = readFields(await this.#call("POST", "leases", { ttlSec }), "answer");
    return readBigint(lease, "lease");
  }

  async keepLeaseAlive(lease: LeaseId): Promise<void> {
    await this.#call("PUT", `leases/${lease}`);
  }

  async revokeLease(lease: LeaseId): Promise<void> {
    await this.#call("DELETE", `leases/${lease}`);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const watch of this.#watches) watch.cancel();
    this.#watches.clear();
  }

  async #call(method: "GET" | "POST" | "PUT" | "DELETE", path: string, body?: unknown): Promise<unknown> {
    if (this.#closed) throw closedError();
    try {
      const answer = await this.#client.admin<unknown>(method, `/v1/datastore/${path}`, body);
      this.#reachable = true;
      return answer;
    } catch (error) {
      if (!(error instanceof AgentClientError)) throw lostAnswer(method, error);
      const code = String(error.details.code);
      this.#reachable = error.code === "AGENT_REFUSED" && code !== "DATASTORE_UNAVAILABLE";
      if (error.code !== "AGENT_REFUSED" || !passedOn.has(code)) throw error;
      throw new DatastoreError(code as DatastoreErrorCode, error.message, error.details, error);
    }
  }
}

/** The connection broke after the request was sent. */
function lostAnswer(method: string, error: unknown): DatastoreError {
  const code = method === "GET" ? "DATASTORE_UNAVAILABLE" : "OUTCOME_UNKNOWN";
  return new DatastoreError(
    code,
    `the agent ended the connection before it answered: ${errorMessage(error)}`,
    {},
    error,
  );
}

/** One watch over as many connections as it takes; each goes on after the last revision that was handed over. */
class AgentWatch implements Watch {
  readonly #client: AgentClient;
  readonly #clock: Clock;
  readonly #prefix: string;
  readonly #handler: WatchHandler;
  readonly #ended = new AbortController();
  #next: bigint;

  constructor(client: AgentClient, clock: Clock, prefix: string, fromRevision: bigint, handler: WatchHandler) {
    this.#client = client;
    this.#clock = clock;
    this.#prefix = prefix;
    this.#handler = handler;
    this.#next = fromRevision;
    void this.#follow();
  }

  cancel(): void {
    this.#ended.abort();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#ended;
    while (!signal.aborted) {
      try {
        await this.#readStream(signal);
      } catch {
        // Whatever it was, asking again tells more; requests of the same store report what stays wrong.
      }
      if (!signal.aborted) await this.#pause();
    }
  }

  async #readStream(signal: AbortSignal): Promise<void> {
    const query = new URLSearchParams({ prefix: this.#prefix, from: this.#next.toString() });
    for await (const { event, data } of this.#client.adminEvents(`/v1/datastore/watch?${query}`, signal)) {
      if (signal.aborted) return;
      const fields = readFields(data, event);
      const revision = readBigint(fields.revision, "revision");
      if (event === "compacted") {
        this.cancel();
        this.#handler.onCompacted(revision);
      } else {
        this.#next = revision + 1n;
        this.#handler.onEvents(readList(fields.events, "events", readWatchEvent), revision);
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(WATCH_RETRY_MS, resolve);
    });
  }
}
