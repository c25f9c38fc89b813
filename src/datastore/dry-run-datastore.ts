import { holds } from "./compare.ts";
import type {
  Datastore,
  GetResult,
  KeyValue,
  LeaseId,
  ListResult,
  Operation,
  OperationResponse,
  Transaction,
  TransactionResult,
  Watch,
  WatchHandler,
} from "./datastore.ts";
import { validateTransaction } from "./validate.ts";

/**
 * A store that answers as if its writes had been made, and makes none: reads see what was "written" here on top of the real
 * store. So whatever works with a datastore can be tried. Leases are not tried: they are granted by nobody and keep nothing.
 */
export class DryRunDatastore implements Datastore {
  readonly #store: Datastore;
  /** What the keys that were written would hold; undefined: deleted. */
  readonly #written = new Map<string, KeyValue | undefined>();
  #revision = 0n;

  constructor(store: Datastore) {
    this.#store = store;
  }

  get reachable(): boolean {
    return this.#store.reachable;
  }

  async get(key: string): Promise<GetResult> {
    const found = await this.#store.get(key);
    const item = this.#written.has(key) ? this.#written.get(key) : found.item;
    return { revision: this.#seen(found.revision), ...(item !== undefined && { item }) };
  }

  async list(prefix: string): Promise<ListResult> {
    const { items, revision } = await this.#store.list(prefix);
    const untouched = items.filter(({ key }) => !this.#written.has(key));
    const written = [...this.#written.values()].filter((item) => item?.key.startsWith(prefix) === true);
    const all = [...untouched, ...written.filter((item) => item !== undefined)];
    all.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    return { items: all, revision: this.#seen(revision) };
  }

  async transact(transaction: Transaction): Promise<TransactionResult> {
    validateTransaction(transaction);
    const { compares, success, failure = [] } = transaction;
    const items = new Map<string, KeyValue | undefined>();
    for (const { key } of [...compares, ...success, ...failure])
      if (!items.has(key)) items.set(key, (await this.get(key)).item);
    const succeeded = compares.every((compare) => holds(compare, items.get(compare.key)));
    const branch = succeeded ? success : failure;
    if (branch.some(({ type }) => type !== "get")) this.#revision++;
    const responses = branch.map((operation) => this.#perform(operation, items));
    return { succeeded, revision: this.#revision, responses };
  }

  #perform(operation: Operation, items: Map<string, KeyValue | undefined>): OperationResponse {
    const { key } = operation;
    const item = items.get(key);
    if (operation.type === "get") return { type: "get", ...(item !== undefined && { item }) };
    const after = operation.type === "delete" ? undefined : this.#itemAfterPut(key, operation.value, item);
    items.set(key, after);
    this.#written.set(key, after);
    if (operation.type === "put") return { type: "put" };
    return { type: "delete", ...(item !== undefined && { previous: item }) };
  }

  #itemAfterPut(key: string, value: string, before: KeyValue | undefined): KeyValue {
    const { createRevision = this.#revision, version = 0n } = before ?? {};
    return { key, value, createRevision, modRevision: this.#revision, version: version + 1n };
  }

  /** The real store's events: nothing of what is tried here. */
  watch(prefix: string, fromRevision: bigint, handler: WatchHandler): Watch {
    return this.#store.watch(prefix, fromRevision, handler);
  }

  async grantLease(): Promise<LeaseId> {
    return 0n;
  }

  async keepLeaseAlive(): Promise<void> {}

  async revokeLease(): Promise<void> {}

  /** Leaves the real store open. */
  async close(): Promise<void> {}

  /** Never below the real store's, nor below what was answered already. */
  #seen(revision: bigint): bigint {
    if (revision > this.#revision) this.#revision = revision;
    return this.#revision;
  }
}
