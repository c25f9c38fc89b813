import type { KeyValue, LeaseId, WatchEvent } from "../datastore.ts";
import { KeyIndex } from "./key-index.ts";
import type { JournalRecord, Lease, Write } from "./record.ts";

/** The revision of a store that was never written to, as in etcd. */
export const FIRST_REVISION = 1n;

/** All that is needed to start from in place of the transactions that led there. */
export interface Snapshot {
  readonly revision: bigint;
  readonly items: readonly KeyValue[];
  readonly leases: readonly Lease[];
  readonly nextLease: LeaseId;
}

interface HistoryEntry {
  readonly events: readonly WatchEvent[];
  /** Where its line begins in the journal. */
  offset: number;
}

/** The whole store in memory: what the journal says up to `revision`, and the events since `compactRevision`. */
export class StoreState {
  #revision: bigint;
  #nextLease: LeaseId;
  #baseRevision: bigint;
  readonly #items: Map<string, KeyValue>;
  readonly #keys: KeyIndex;
  readonly #history: HistoryEntry[] = [];
  readonly #leases: Map<LeaseId, Lease>;
  readonly #keysOfLease = new Map<LeaseId, Set<string>>();

  constructor(snapshot: Snapshot) {
    this.#revision = snapshot.revision;
    this.#baseRevision = snapshot.revision;
    this.#nextLease = snapshot.nextLease;
    this.#items = new Map(snapshot.items.map((item) => [item.key, item]));
    this.#keys = new KeyIndex(this.#items.keys());
    this.#leases = new Map(snapshot.leases.map((lease) => [lease.id, lease]));
    for (const item of snapshot.items) this.#bind(item);
  }

  get revision(): bigint {
    return this.#revision;
  }

  /** The last revision whose events are gone; 0 as long as none is. */
  get compactRevision(): bigint {
    return this.#baseRevision === FIRST_REVISION ? 0n : this.#baseRevision;
  }

  /** The id for the next lease. Lease ids are never used twice. */
  get nextLease(): LeaseId {
    return this.#nextLease;
  }

  get(key: string): KeyValue | undefined {
    return this.#items.get(key);
  }

  list(prefix: string): KeyValue[] {
    return this.#keys.withPrefix(prefix).flatMap((key) => this.#items.get(key) ?? []);
  }

  lease(id: LeaseId): Lease | undefined {
    return this.#leases.get(id);
  }

  leases(): Iterable<Lease> {
    return this.#leases.values();
  }

  /** The keys that die with the lease. */
  keysOfLease(id: LeaseId): Iterable<string> {
    return this.#keysOfLease.get(id) ?? [];
  }

  /** Takes over one record whose line begins at `offset`. False if it does not follow on this state. */
  apply(record: JournalRecord, offset: number): boolean {
    if (record.revision !== undefined && record.revision !== this.#revision + 1n) return false;
    if (record.lease !== undefined) {
      this.#leases.set(record.lease.id, record.lease);
      if (record.lease.id >= this.#nextLease) this.#nextLease = record.lease.id + 1n;
    }
    if (record.ended !== undefined) this.#leases.delete(record.ended);
    if (record.revision !== undefined) {
      this.#revision = record.revision;
      const events = (record.writes ?? []).flatMap((write) => this.#write(write, this.#revision));
      this.#history.push({ events, offset });
    }
    return true;
  }

  /** The events of a revision after `compactRevision`. */
  eventsOf(revision: bigint): readonly WatchEvent[] {
    return this.#history[Number(revision - this.#baseRevision) - 1]?.events ?? [];
  }

  /**
   * A snapshot from which at most `revisions` revisions, whose lines are not before `minOffset`, lead to this state, and
   * the offset of the first of their lines (undefined if none is kept). Leases are those of now, not of the snapshot's
   * revision: replaying the lines after it leaves them as they are.
   */
  snapshotBefore(revisions: number, minOffset: number): { snapshot: Snapshot; keptFrom: number | undefined } {
    let first = Math.max(0, this.#history.length - revisions);
    while ((this.#history[first]?.offset ?? Number.POSITIVE_INFINITY) < minOffset) first++;
    const items = new Map(this.#items);
    for (const entry of this.#history.slice(first).reverse())
      for (const event of entry.events) {
        const key = event.type === "put" ? event.item.key : event.key;
        if (event.previous === undefined) items.delete(key);
        else items.set(key, event.previous);
      }
    const revision = this.#baseRevision + BigInt(first);
    const leases = [...this.#leases.values()];
    return {
      snapshot: { revision, items: [...items.values()], leases, nextLease: this.#nextLease },
      keptFrom: this.#history[first]?.offset,
    };
  }

  /** The journal now begins at `baseRevision`, and what is left of its lines has moved by `shift` bytes. */
  rebase(baseRevision: bigint, shift: number): void {
    this.#history.splice(0, Number(baseRevision - this.#baseRevision));
    this.#baseRevision = baseRevision;
    for (const entry of this.#history) entry.offset += shift;
  }

  #write(write: Write, revision: bigint): WatchEvent[] {
    const key = "put" in write ? write.put : write.delete;
    const previous = this.#items.get(key);
    if (previous?.lease !== undefined) this.#keysOfLease.get(previous.lease)?.delete(key);
    const before = previous === undefined ? {} : { previous };
    if ("delete" in write) {
      if (previous === undefined) return [];
      this.#items.delete(key);
      this.#keys.remove(key);
      return [{ type: "delete", key, modRevision: revision, ...before }];
    }
    const item = itemAfterPut(write, previous, revision);
    this.#items.set(key, item);
    if (previous === undefined) this.#keys.add(key);
    this.#bind(item);
    return [{ type: "put", item, ...before }];
  }

  #bind(item: KeyValue): void {
    if (item.lease === undefined) return;
    const keys = this.#keysOfLease.get(item.lease);
    if (keys === undefined) this.#keysOfLease.set(item.lease, new Set([item.key]));
    else keys.add(item.key);
  }
}

/** What a key holds after a put at `revision`; a put without a lease takes the key off its lease. */
export function itemAfterPut(
  write: { readonly put: string; readonly value: string; readonly lease?: LeaseId },
  previous: KeyValue | undefined,
  revision: bigint,
): KeyValue {
  return {
    key: write.put,
    value: write.value,
    createRevision: previous?.createRevision ?? revision,
    modRevision: revision,
    version: (previous?.version ?? 0n) + 1n,
    ...(write.lease !== undefined && { lease: write.lease }),
  };
}
