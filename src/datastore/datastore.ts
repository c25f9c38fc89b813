/**
 * The datastore as all of calibird sees it: a revisioned key-value store with the model of etcd v3. One driver is the
 * embedded journal, another etcd; both pass the same conformance suite.
 *
 * Keys are absolute (`/calico/…`). Values are text. Revisions are bigint and grow by one with every transaction that
 * writes at least one key; several keys written by one transaction share its revision.
 */
export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Revision of the transaction that created this key (since its last deletion). */
  readonly createRevision: bigint;
  /** Revision of the last transaction that wrote it. */
  readonly modRevision: bigint;
  /** Number of writes since creation; 1 for a new key. */
  readonly version: bigint;
  /** The lease it is bound to; absent without one. */
  readonly lease?: LeaseId;
}

export type LeaseId = bigint;

/** A condition of a transaction. A key that does not exist has version, createRevision and modRevision 0. */
export type Compare = {
  readonly key: string;
  readonly target: "version" | "createRevision" | "modRevision";
  readonly result: "equal" | "not-equal" | "greater" | "less";
  readonly value: bigint;
};

export type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: string; readonly lease?: LeaseId }
  | { readonly type: "delete"; readonly key: string }
  | { readonly type: "get"; readonly key: string };

export type OperationResponse =
  | { readonly type: "put" }
  | { readonly type: "delete"; readonly previous?: KeyValue }
  | { readonly type: "get"; readonly item?: KeyValue };

/** If every compare holds run `success`, else `failure`; all at one revision. At most 128 operations per branch. */
export interface Transaction {
  readonly compares: readonly Compare[];
  readonly success: readonly Operation[];
  readonly failure?: readonly Operation[];
}

export interface TransactionResult {
  readonly succeeded: boolean;
  /** The store's revision after the transaction. */
  readonly revision: bigint;
  /** One response per operation of the branch that ran, in order. */
  readonly responses: readonly OperationResponse[];
}

export interface GetResult {
  readonly item?: KeyValue;
  /** The store's revision at which this is true. */
  readonly revision: bigint;
}

export interface ListResult {
  /** Ascending by key, bytewise. */
  readonly items: readonly KeyValue[];
  readonly revision: bigint;
}

export type WatchEvent =
  | { readonly type: "put"; readonly item: KeyValue; readonly previous?: KeyValue }
  | { readonly type: "delete"; readonly key: string; readonly modRevision: bigint; readonly previous?: KeyValue };

export interface WatchHandler {
  /**
   * All events of one or more whole revisions, in order; never part of a revision. `revision` is the last one covered.
   */
  onEvents(events: readonly WatchEvent[], revision: bigint): void;
  /**
   * The history from the requested revision on is gone (compacted). The watch has ended: list again, emit the difference,
   * and watch from the list's revision + 1.
   */
  onCompacted(compactRevision: bigint): void;
}

export interface Watch {
  /** Ends the watch; no handler runs after it returns. Idempotent. */
  cancel(): void;
}

export interface Datastore {
  /** The store could be read when it was looked at last; if not, what is known of it is old. */
  readonly reachable: boolean;
  /** One key. */
  get(key: string): Promise<GetResult>;
  /** All keys that start with `prefix`. */
  list(prefix: string): Promise<ListResult>;
  transact(transaction: Transaction): Promise<TransactionResult>;
  /**
   * Every change of a key under `prefix` from revision `fromRevision` on (inclusive), past ones first. It survives
   * broken connections by itself and loses and repeats nothing.
   */
  watch(prefix: string, fromRevision: bigint, handler: WatchHandler): Watch;
  /** A lease that dies `ttlSec` seconds after its last keepalive, and takes its keys along. */
  grantLease(ttlSec: number): Promise<LeaseId>;
  /** Throws `LEASE_NOT_FOUND` if it has expired. */
  keepLeaseAlive(lease: LeaseId): Promise<void>;
  /** Deletes the lease and its keys. */
  revokeLease(lease: LeaseId): Promise<void>;
  close(): Promise<void>;
}

/** Where a store is, and how it has been of late. */
export interface DatastoreDescription {
  readonly kind: "embedded" | "etcd";
  /** The folder of an embedded store, the URLs of etcd's members. */
  readonly places: readonly string[];
  /** The member that is asked now. */
  readonly member?: string;
  /** Since when it does not answer; absent if it does. Unix time in milliseconds. */
  readonly unreachableSinceMs?: number;
  /** What failed last, which may be long over. */
  readonly lastError?: DatastoreFailure;
}

export interface DatastoreFailure {
  /** Unix time in milliseconds. */
  readonly atMs: number;
  readonly message: string;
}

/** A store that can say where it is. */
export interface DescribedDatastore extends Datastore {
  readonly description: DatastoreDescription;
}
