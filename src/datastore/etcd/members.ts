import type { Etcd3 } from "etcd3";
import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type { DatastoreDescription, DatastoreFailure } from "../datastore.ts";
import { closedError, DatastoreError } from "../errors.ts";
import { type CallFailure, classifyFailure } from "./failure.ts";
import { type Member, withDeadline } from "./member.ts";

export interface MembersOptions {
  readonly members: readonly [Member, ...Member[]];
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

export type Request<T> = (client: Etcd3, options: ReturnType<typeof withDeadline>) => Promise<T>;

/** A request is made to each member once, and this many times more if none answers. */
const EXTRA_ATTEMPTS = 2;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 1_000;

/** The members of one cluster: which of them is asked, and what follows when it does not answer. */
export class Members {
  readonly #members: readonly [Member, ...Member[]];
  readonly #options: MembersOptions;
  #current: Member;
  /** Those that have failed since one has answered. */
  readonly #failed = new Set<Member>();
  #unreachableSinceMs: number | undefined;
  #lastError: DatastoreFailure | undefined;
  #closed = false;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#members = options.members;
    // Nodes that share a configuration don't all ask the first member.
    this.#current = this.#members[Math.floor(options.random() * this.#members.length)] ?? this.#members[0];
  }

  /** The member to use now. */
  get current(): Member {
    return this.#current;
  }

  get reachable(): boolean {
    return !this.#closed && this.#failed.size < this.#members.length;
  }

  get description(): DatastoreDescription {
    return {
      kind: "etcd",
      places: this.#members.map(({ endpoint }) => endpoint),
      member: this.#current.endpoint,
      ...(this.#unreachableSinceMs !== undefined && { unreachableSinceMs: this.#unreachableSinceMs }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
    };
  }

  get requestTimeoutMs(): number {
    return this.#options.requestTimeoutMs;
  }

  /**
   * Makes one request, to another member if one does not answer. A request that may not be made twice (`repeat` is
   * "unsent") is only made again if the one before was never sent; else `OUTCOME_UNKNOWN`. Throws DatastoreError.
   */
  async request<T>(repeat: "always" | "unsent", run: Request<T>): Promise<T> {
    const failures: string[] = [];
    for (let attempt = 1; ; attempt++) {
      if (this.#closed) throw closedError();
      const member = this.#current;
      try {
        const answer = await run(member.client, withDeadline(this.#options.requestTimeoutMs));
        this.answered(member);
        return answer;
      } catch (error) {
        if (this.#closed && !(error instanceof DatastoreError)) throw closedError();
        if (error instanceof DatastoreError) throw error;
        const failure = classifyFailure(error);
        if (!failure.worthRepeating) {
          this.answered(member);
          this.#note(member, failure.reason);
          throw datastoreError(failure.code, member, failure.reason, error);
        }
        this.failed(member, failure.reason);
        failures.push(`${member.endpoint}: ${failure.reason}`);
        if (repeat === "unsent" && failure.mayHaveHappened)
          throw datastoreError("OUTCOME_UNKNOWN", member, `${failure.reason}; read before you repeat it`, error);
        if (attempt === this.#members.length + EXTRA_ATTEMPTS) throw this.#unavailable(failure, failures, error);
        if (attempt >= this.#members.length) await this.pause(attempt - this.#members.length);
      }
    }
  }

  /** A member has said something. */
  answered(member: Member): void {
    if (this.#failed.size === this.#members.length)
      this.#options.logger.info({ endpoint: member.endpoint }, "etcd is reachable again");
    this.#failed.clear();
    this.#unreachableSinceMs = undefined;
  }

  /** A member does not do its duty: the next one is asked from now on. */
  failed(member: Member, reason: string): void {
    if (this.#closed) return;
    const wasReachable = this.reachable;
    this.#failed.add(member);
    this.#note(member, reason);
    member.renew();
    if (this.#current === member) {
      const next = this.#members[(this.#members.indexOf(member) + 1) % this.#members.length];
      this.#current = next ?? member;
    }
    const fields = { endpoint: member.endpoint, reason };
    if (wasReachable && !this.reachable) {
      this.#unreachableSinceMs = this.#options.clock.wallMs();
      this.#options.logger.warn(fields, "no etcd endpoint answers");
    } else this.#options.logger.debug(fields, "an etcd endpoint fails");
  }

  /** Waits about 50 ms at first, and twice as long each further time, up to a second. */
  pause(times: number): Promise<void> {
    const { clock, random } = this.#options;
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(times, 10), MAX_PAUSE_MS);
    return new Promise((resolve) => void clock.setTimer(longest * (0.5 + random() / 2), resolve));
  }

  close(): void {
    this.#closed = true;
    for (const member of this.#members) member.close();
  }

  #note({ endpoint }: Member, reason: string): void {
    this.#lastError = { atMs: this.#options.clock.wallMs(), message: `${endpoint}: ${reason}` };
  }

  #unavailable(failure: CallFailure, failures: readonly string[], cause: unknown): DatastoreError {
    const tried = [...new Set(failures)].join("; ");
    const endpoints = this.#members.map(({ endpoint }) => endpoint);
    return new DatastoreError(failure.code, `etcd does not answer: ${tried}`, { endpoints }, cause);
  }
}

function datastoreError(code: DatastoreError["code"], member: Member, reason: string, cause: unknown): DatastoreError {
  const { endpoint } = member;
  return new DatastoreError(code, `etcd at ${endpoint}: ${reason}`, { endpoint, reason }, cause);
}
