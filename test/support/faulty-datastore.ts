import type { Datastore, Transaction, TransactionResult } from "../../src/datastore/datastore.ts";
import { DatastoreError } from "../../src/datastore/errors.ts";

/**
 * What happens to one write: its process dies before or after it; or the answer is lost, whether it was made or not.
 */
export type Fault = "crash-before" | "crash-after" | "unknown-before" | "unknown-after";

/** The process of a client died. */
export class Crash extends Error {}

/**
 * A client of a real store that meets given faults: the n-th transaction that writes, counted from 0, gets the fault
 * `faults.get(n)`. After a crash every call fails. `turn` decides when each call reaches the store.
 */
export function faultyDatastore(
  store: Datastore,
  faults: ReadonlyMap<number, Fault>,
  turn: () => Promise<void> = () => Promise.resolve(),
): Datastore {
  let writes = 0;
  let crashed = false;
  const reach = async <T>(call: () => Promise<T>): Promise<T> => {
    await turn();
    if (crashed) throw new Crash();
    return call();
  };
  const transact = async (transaction: Transaction): Promise<TransactionResult> => {
    const isWrite = transaction.success.some((operation) => operation.type !== "get");
    const fault = isWrite ? faults.get(writes++) : undefined;
    crashed ||= fault === "crash-before";
    if (crashed) throw new Crash();
    const lost = new DatastoreError("OUTCOME_UNKNOWN", "the answer was lost");
    if (fault === "unknown-before") throw lost;
    const result = await store.transact(transaction);
    crashed ||= fault === "crash-after";
    if (crashed) throw new Crash();
    if (fault === "unknown-after") throw lost;
    return result;
  };
  return {
    get reachable() {
      return store.reachable;
    },
    get: (key) => reach(() => store.get(key)),
    list: (prefix) => reach(() => store.list(prefix)),
    transact: (transaction) => reach(() => transact(transaction)),
    watch: (prefix, fromRevision, handler) => store.watch(prefix, fromRevision, handler),
    grantLease: (ttlSec) => store.grantLease(ttlSec),
    keepLeaseAlive: (lease) => store.keepLeaseAlive(lease),
    revokeLease: (lease) => store.revokeLease(lease),
    close: () => Promise.resolve(),
  };
}
