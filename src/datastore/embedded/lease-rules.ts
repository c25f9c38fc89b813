import type { JournalRecord, Lease, Write } from "./record.ts";
import type { StoreState } from "./state.ts";

/** A wall clock that is slewed moves by less than this between two looks. */
const CLOCK_SLACK_MS = 1_000;

/** The lease with its full time to live from `nowMs` on, by the clock of this boot. */
export function renewedLease(lease: Pick<Lease, "id" | "ttlMs">, nowMs: number, boot: string): Lease {
  return { id: lease.id, ttlMs: lease.ttlMs, deadlineMs: nowMs + lease.ttlMs, boot };
}

/** The record that ends a lease and deletes its keys. */
export function endingRecord(state: StoreState, lease: Lease): JournalRecord {
  const writes: Write[] = [...state.keysOfLease(lease.id)].map((key) => ({ delete: key }));
  return writes.length === 0 ? { ended: lease.id } : { ended: lease.id, revision: state.revision + 1n, writes };
}

/**
 * What whoever holds the lock does about the first lease that needs something: end it if it is overdue; give it its full
 * time again if its deadline can't be believed, because it comes from another boot or is further away than a full time
 * to live (the wall clock was set back). Undefined if no lease needs anything.
 */
export function dueLeaseRecord(state: StoreState, nowMs: number, boot: string): JournalRecord | undefined {
  for (const lease of state.leases()) {
    if (isDoubtful(lease, nowMs, boot)) return { lease: renewedLease(lease, nowMs, boot) };
    if (lease.deadlineMs <= nowMs) return endingRecord(state, lease);
  }
  return undefined;
}

/** True if some lease needs what `dueLeaseRecord` does. */
export function hasDueLease(state: StoreState, nowMs: number, boot: string): boolean {
  for (const lease of state.leases()) if (isDoubtful(lease, nowMs, boot) || lease.deadlineMs <= nowMs) return true;
  return false;
}

function isDoubtful(lease: Lease, nowMs: number, boot: string): boolean {
  return lease.boot !== boot || lease.deadlineMs > nowMs + lease.ttlMs + CLOCK_SLACK_MS;
}
