import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import type {
  DatastoreDescription,
  DescribedDatastore,
  GetResult,
  LeaseId,
  ListResult,
  Transaction,
  TransactionResult,
  Watch,
  WatchHandler,
} from "../datastore.ts";
import { closedError, DatastoreError, leaseNotFound } from "../errors.ts";
import { validateLeaseTtl, validateTransaction } from "../validate.ts";
import { keepLeaseAlive } from "./keep-lease-alive.ts";
import type { Members, Request } from "./members.ts";
import { isWrite, keysToSettle, type Settlement, settle } from "./settle.ts";
import { EtcdWatch } from "./watch.ts";
import { decodeItem, decodeTransaction, encodeTransaction, prefixRange } from "./wire.ts";

/** A write whose outcome is unknown is read, and repeated if it was not made, this often. */
const SETTLE_ATTEMPTS = 3;
/** The most operations that one transaction may have, and so the most keys that are read together. */
const MAX_KEYS_TO_SETTLE = 128;

export interface EtcdDatastoreParts {
  readonly members: Members;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * A cluster of etcd v3.
 *
 *   get, list, transact, leases ─► Members: one member at a time, failover, retries ─► etcd3's calls
 *   lost answer of a write ─► read its keys ─► settle: made | not made, repeat | OUTCOME_UNKNOWN
 *   watch ─► EtcdWatch: streams one after the other ─► WatchPosition: whole revisions, each once ─► handler
 */
export class EtcdDatastore implements DescribedDatastore {
  readonly #parts: EtcdDatastoreParts;
  readonly #members: Members;
  readonly #watches = new Set<EtcdWatch>();
  /** The newest revision the store has named. */
  #revision = 0n;
  #closed = false;

  constructor(parts: EtcdDatastoreParts) {
    this.#parts = parts;
    this.#members = parts.members;
  }

  get reachable(): boolean {
    return this.#members.reachable;
  }

  get description(): DatastoreDescription {
    return this.#members.description;
  }

  async get(key: string): Promise<GetResult> {
    const { header, kvs } = await this.#request("always", (client, options) =>
      client.kv.range({ key: Buffer.from(key) }, options),
    );
    const [item] = kvs;
    return { revision: this.#seen(header.revision), ...(item !== undefined && { item: decodeItem(item) }) };
  }

  async list(prefix: string): Promise<ListResult> {
    const { header, kvs } = await this.#request("always", (client, options) =>
      client.kv.range(prefixRange(prefix), options),
    );
    return { items: kvs.map(decodeItem), revision: this.#seen(header.revision) };
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    validateTransaction(transaction);
    if (!isWrite(transaction)) return this.#send("always", transaction);
    const sentAt = this.#revision;
    let doubt: unknown;
    for (let attempt = 1; ; attempt++) {
      try {
        const result = await this.#send("unsent", transaction);
        // A repetition that fails its conditions may have met the first one's own traces.
        if (result.succeeded || doubt === undefined) return result;
      } catch (error) {
        if (!(error instanceof DatastoreError) || error.code !== "OUTCOME_UNKNOWN") throw doubt ?? error;
        doubt = error;
      }
      const settlement = await this.#settle(transaction, sentAt);
      if (settlement.type === "made") return settlement.result;
      if (settlement.type === "unknown" || attempt === SETTLE_ATTEMPTS) throw doubt;
    }
  }

  watch(prefix: string, fromRevision: bigint, handler: WatchHandler): Watch {
    if (this.#closed) throw closedError();
    const { clock, logger } = this.#parts;
    const watch: EtcdWatch = new EtcdWatch({
      members: this.#members,
      clock,
      logger,
      prefix,
      fromRevision,
      handler,
      onEnd: () => void this.#watches.delete(watch),
    });
    this.#watches.add(watch);
    return watch;
  }

  async grantLease(ttlSec: number): Promise<LeaseId> {
    validateLeaseTtl(ttlSec);
    // A lease whose answer was lost ends by itself, so asking again does no harm.
    const { ID } = await this.#request("always", (client, options) =>
      client.leaseClient.leaseGrant({ TTL: Math.ceil(ttlSec) }, options),
    );
    return BigInt(ID);
  }

  async keepLeaseAlive(lease: LeaseId): Promise<void> {
    const alive = await this.#request("always", (client, options) => keepLeaseAlive(client, lease, options));
    if (!alive) throw leaseNotFound(lease);
  }

  async revokeLease(lease: LeaseId): Promise<void> {
    let attempts = 0;
    try {
      await this.#request("always", (client, options) => {
        attempts++;
        return client.leaseClient.leaseRevoke({ ID: lease.toString() }, options);
      });
    } catch (error) {
      if (!isLeaseNotFound(error)) throw error;
      // An attempt whose answer was lost has done it.
      if (attempts === 1) throw leaseNotFound(lease);
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const watch of [...this.#watches]) watch.cancel();
    this.#members.close();
  }

  async #send(repeat: "always" | "unsent", transaction: Transaction): Promise<TransactionResult> {
    try {
      const answer = await this.#request(repeat, (client, options) =>
        client.kv.txn(encodeTransaction(transaction), options),
      );
      this.#seen(answer.header.revision);
      return decodeTransaction(transaction, answer);
    } catch (error) {
      const leases = [...transaction.success, ...(transaction.failure ?? [])].flatMap((operation) =>
        operation.type === "put" && operation.lease !== undefined ? [operation.lease] : [],
      );
      const [lease] = leases;
      throw isLeaseNotFound(error) && lease !== undefined ? leaseNotFound(lease) : error;
    }
  }

  /** Reads what a write whose answer was lost has left behind. */
  async #settle(transaction: Transaction, sentAt: bigint): Promise<Settlement> {
    const keys = keysToSettle(transaction);
    if (keys.length > MAX_KEYS_TO_SETTLE) return { type: "unknown" };
    try {
      const { responses } = await this.#send("always", {
        compares: [],
        success: keys.map((key) => ({ type: "get", key })),
      });
      const items = responses.flatMap((response) =>
        response.type === "get" && response.item !== undefined ? [response.item] : [],
      );
      return settle(transaction, new Map(items.map((item) => [item.key, item])), sentAt);
    } catch {
      // The lost answer is the worse news.
      return { type: "unknown" };
    }
  }

  async #request<T>(repeat: "always" | "unsent", run: Request<T>): Promise<T> {
    if (this.#closed) throw closedError();
    return this.#members.request(repeat, run);
  }

  #seen(header: string): bigint {
    const revision = BigInt(header);
    if (revision > this.#revision) this.#revision = revision;
    return revision;
  }
}

function isLeaseNotFound(error: unknown): boolean {
  return error instanceof DatastoreError && error.code === "LEASE_NOT_FOUND";
}
