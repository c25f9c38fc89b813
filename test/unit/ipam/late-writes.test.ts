import { afterEach, beforeEach, expect, it } from "vitest";
import type { Datastore, Transaction } from "../../../src/datastore/datastore.ts";
import { DatastoreError } from "../../../src/datastore/errors.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
});
afterEach(() => dispose());
const pools = [ipamPool("v4", "10.0.0.0/29", { blockSize: 29 })];

/** The given store, in which the next write is lost on its way, until the one after it is about to be made. */
function delayingStore(): Datastore {
  let delayed: Transaction | undefined;
  let seen = false;
  return {
    ...bound(store),
    async transact(transaction) {
      const isWrite = transaction.success.some(({ type }) => type !== "get");
      if (isWrite && !seen) {
        seen = true;
        delayed = transaction;
        throw new DatastoreError("OUTCOME_UNKNOWN", "no answer");
      }
      if (isWrite && delayed !== undefined) {
        const late = delayed;
        delayed = undefined;
        await store.transact(late);
      }
      return store.transact(transaction);
    },
  };
}

function bound(inner: Datastore): Datastore {
  return {
    get reachable() {
      return inner.reachable;
    },
    get: (key) => inner.get(key),
    list: (prefix) => inner.list(prefix),
    transact: (transaction) => inner.transact(transaction),
    watch: (prefix, fromRevision, handler) => inner.watch(prefix, fromRevision, handler),
    grantLease: (ttlSec) => inner.grantLease(ttlSec),
    keepLeaseAlive: (lease) => inner.keepLeaseAlive(lease),
    revokeLease: (lease) => inner.revokeLease(lease),
    close: () => Promise.resolve(),
  };
}

it("a write that arrives after it was looked for is found at the second look, and its address is not taken twice", async () => {
  await ipamNode(store, "a", pools).ensureBlock(4);
  const ipam = ipamNode(store, "a", pools, { datastore: delayingStore() });
  const { ipv4 } = await ipam.autoAssign(addressRequest("net.x"));
  const { problems, allocations } = await auditIpam(store);
  expect(problems).toEqual([]);
  expect([...allocations]).toEqual([[`${ipv4[0]?.address}`, "net.x"]]);
});

it("a release that arrives late frees nothing that somebody else has taken meanwhile", async () => {
  const first = ipamNode(store, "a", pools);
  const given = await first.autoAssign(addressRequest("net.x", 8));
  const ipam = ipamNode(store, "a", pools, { datastore: delayingStore() });
  expect(await ipam.releaseByHandle("net.x")).toHaveLength(given.ipv4.length);
  await first.autoAssign(addressRequest("net.y", 8));
  const { problems, allocations } = await auditIpam(store);
  expect(problems).toEqual([]);
  expect(new Set(allocations.values())).toEqual(new Set(["net.y"]));
});
