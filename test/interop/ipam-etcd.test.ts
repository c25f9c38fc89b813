import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { histories } from "../../simulation/ipam/history.ts";
import { checkHistory } from "../../simulation/ipam/run.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { openEtcdDatastore } from "../../src/datastore/etcd/open.ts";
import { EtcdServer } from "./support/etcd-server.ts";

/** Each takes about a thousand round trips, one after the other. */
const HISTORIES = 12;
/** A request that takes longer than this on a busy machine would be a fault that the history has not planned. */
const REQUEST_TIMEOUT_MS = 60_000;
const NEWS_TAKE_MS = 30_000;

let server: EtcdServer;
let store: Datastore;
beforeAll(async () => {
  server = await EtcdServer.start();
  store = await openEtcdDatastore({ endpoints: [server.url], requestTimeoutMs: REQUEST_TIMEOUT_MS });
});
afterAll(async () => {
  await store?.close();
  await server?.dispose();
});

it("keeps every rule of IPAM on a real etcd, whatever befalls eight clients", async () => {
  let assignments = 0;
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      for (const { key } of (await store.list("/calico/")).items)
        await store.transact({ compares: [], success: [{ type: "delete", key }] });
      assignments += (await checkHistory(history, store, NEWS_TAKE_MS)).assignments;
    }),
    { numRuns: HISTORIES, interruptAfterTimeLimit: 200_000 },
  );
  expect(assignments).toBeGreaterThan(HISTORIES);
}, 290_000);
