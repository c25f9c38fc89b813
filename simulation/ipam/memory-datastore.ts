import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore, Transaction, TransactionResult, Watch, WatchHandler } from "../../src/datastore/datastore.ts";
import { evaluateTransaction } from "../../src/datastore/embedded/evaluate.ts";
import { FIRST_REVISION, StoreState } from "../../src/datastore/embedded/state.ts";
import { WatchHub } from "../../src/datastore/embedded/watch-hub.ts";
import { DatastoreError } from "../../src/datastore/errors.ts";
import { validateTransaction } from "../../src/datastore/validate.ts";

/** The embedded store without its files: the same state, transactions and watches, in memory and without waiting. */
export function memoryDatastore(): Datastore {
  const state = new StoreState({ revision: FIRST_REVISION, items: [], leases: [], nextLease: 1n });
  const hub = new WatchHub(() => state, silentLogger);
  const transact = (transaction: Transaction): TransactionResult => {
    validateTransaction(transaction);
    const { succeeded, responses, record } = evaluateTransaction(state, transaction);
    if (record !== undefined && !state.apply(record, 0)) throw new Error(`revision ${record.revision} is out of turn`);
    hub.notify();
    return { succeeded, responses, revision: state.revision };
  };
  const noLeases = () => Promise.reject(new DatastoreError("INVALID_REQUEST", "this store has no leases"));
  return {
    reachable: true,
    async get(key) {
      const item = state.get(key);
      return { revision: state.revision, ...(item !== undefined && { item }) };
    },
    list: async (prefix) => ({ items: state.list(prefix), revision: state.revision }),
    transact: async (transaction) => transact(transaction),
    watch: (prefix: string, fromRevision: bigint, handler: WatchHandler): Watch =>
      hub.add(prefix, fromRevision, handler),
    grantLease: noLeases,
    keepLeaseAlive: noLeases,
    revokeLease: noLeases,
    close: async () => hub.clear(),
  };
}
