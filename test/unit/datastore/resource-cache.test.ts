import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock, type Timer } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { Datastore, WatchHandler } from "../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../src/datastore/embedded/open.ts";
import { DatastoreError } from "../../../src/datastore/errors.ts";
import { ResourceCache, type ResourceChange } from "../../../src/datastore/resource-cache.ts";
import { resourceKey } from "../../../src/resources/resource-keys.ts";

let directory = "";
let datastore: Datastore;
let started: ResourceCache<"BGPPeer">[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), `calibird-cache-${process.pid}-`));
  datastore = await openEmbeddedDatastore({ path: directory });
});

afterEach(async () => {
  for (const cache of started) cache.stop();
  started = [];
  await datastore.close();
  await rm(directory, { recursive: true, force: true });
});

const value = (name: string, asNumber: number | string) =>
  `{"kind":"BGPPeer","apiVersion":"projectcalico.org/v3","metadata":{"name":"${name}"},"spec":{"asNumber":${JSON.stringify(asNumber)}}}`;

const put = (name: string, asNumber: number | string) =>
  datastore.transact({
    compares: [],
    success: [{ type: "put", key: resourceKey("BGPPeer", name), value: value(name, asNumber) }],
  });

const remove = (name: string) =>
  datastore.transact({ compares: [], success: [{ type: "delete", key: resourceKey("BGPPeer", name) }] });

/** A cache, the batches of changes that it has told about, and a wait for the next one. */
function follow(store: Datastore, setTimer = systemClock.setTimer) {
  const cache = new ResourceCache({
    datastore: store,
    kind: "BGPPeer",
    clock: { ...systemClock, setTimer },
    logger: silentLogger,
  });
  started.push(cache);
  const batches: string[][] = [];
  const waiting = new Set<() => void>();
  cache.onChange((changes) => {
    batches.push(changes.map(describeChange));
    for (const wake of waiting) wake();
  });
  const batchCount = (count: number) =>
    new Promise<void>((resolve) => {
      const check = () => {
        if (batches.length < count) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  return { cache, batches, batchCount };
}

function describeChange(change: ResourceChange<"BGPPeer">): string {
  const { name } = change.type === "removed" ? change.previous.metadata : change.resource.metadata;
  const after = change.type === "removed" ? "" : ` ${change.resource.spec.asNumber}`;
  const before = change.type === "updated" ? ` was ${change.previous.spec.asNumber}` : "";
  return `${change.type} ${name}${after}${before}`;
}

const summary = (cache: ResourceCache<"BGPPeer">) =>
  cache.list().map(({ metadata, spec }) => `${metadata.name}=${spec.asNumber}`);

/** The same store with some of its methods replaced. */
function variant(store: Datastore, replaced: Partial<Datastore>): Datastore {
  return {
    reachable: store.reachable,
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    transact: (transaction) => store.transact(transaction),
    watch: (prefix, fromRevision, handler) => store.watch(prefix, fromRevision, handler),
    grantLease: (ttlSec) => store.grantLease(ttlSec),
    keepLeaseAlive: (lease) => store.keepLeaseAlive(lease),
    revokeLease: (lease) => store.revokeLease(lease),
    close: () => store.close(),
    ...replaced,
  };
}

describe("ResourceCache", () => {
  test("has everything after start, sorted, told about as one batch", async () => {
    const { revision } = await put("b", 2);
    await put("a", 1);
    const { cache, batches } = follow(datastore);
    expect(cache.synced).toBe(false);
    await cache.start();
    expect(cache.synced).toBe(true);
    expect(summary(cache)).toEqual(["a=1", "b=2"]);
    expect(batches).toEqual([["added a 1", "added b 2"]]);
    expect(cache.get("b")?.metadata.resourceVersion).toBe(revision.toString());
    expect(cache.get("c")).toBeUndefined();
  });

  test("follows every change, also of a key that comes back", async () => {
    const { cache, batches, batchCount } = follow(datastore);
    await cache.start();
    await put("a", 1);
    await batchCount(1);
    await put("a", 2);
    await batchCount(2);
    await remove("a");
    await batchCount(3);
    expect(cache.list()).toEqual([]);
    await put("a", 3);
    await batchCount(4);
    expect(batches.flat()).toEqual(["added a 1", "updated a 2 was 1", "removed a", "added a 3"]);
  });

  test("keeps the last good value of an object that has become unreadable, says so, and recovers", async () => {
    await put("a", 1);
    const { cache, batches, batchCount } = follow(datastore);
    await cache.start();
    await put("a", "nonsense");
    await put("b", 2);
    await batchCount(2);
    expect(summary(cache)).toEqual(["a=1", "b=2"]);
    expect([...cache.invalid.keys()]).toEqual([resourceKey("BGPPeer", "a")]);
    expect(cache.invalid.get(resourceKey("BGPPeer", "a"))?.message).toContain("'nonsense'");
    await put("a", 3);
    await batchCount(3);
    expect(cache.invalid.size).toBe(0);
    await put("a", "nonsense");
    await remove("a");
    await batchCount(4);
    expect(cache.invalid.size).toBe(0);
    expect(batches.flat()).toEqual(["added a 1", "added b 2", "updated a 3 was 1", "removed a"]);
  });

  test("lists again when the history is gone, and tells only what is different, deletions included", async () => {
    const handlers: WatchHandler[] = [];
    const deaf = variant(datastore, {
      watch(_prefix, _fromRevision, handler) {
        handlers.push(handler);
        return { cancel() {} };
      },
    });
    for (const [index, name] of ["same", "changed", "deleted", "spoilt"].entries()) await put(name, index + 1);
    const { cache, batches, batchCount } = follow(deaf);
    await cache.start();
    await put("changed", 9);
    await remove("deleted");
    await put("new", 5);
    await put("spoilt", "nonsense");
    handlers[0]?.onCompacted(100n);
    await batchCount(2);
    expect(batches[1]?.sort()).toEqual(["added new 5", "removed deleted", "updated changed 9 was 2"]);
    expect(summary(cache)).toEqual(["changed=9", "new=5", "same=1", "spoilt=4"]);
    expect(handlers).toHaveLength(2);
  });

  test("retries the first list until the store is there, and answers from memory while it is down", async () => {
    await put("a", 1);
    let failures = 2;
    const flaky = variant(datastore, {
      list: (prefix) =>
        failures-- > 0
          ? Promise.reject(new DatastoreError("DATASTORE_UNAVAILABLE", "no connection"))
          : datastore.list(prefix),
    });
    const delays: number[] = [];
    const { cache } = follow(flaky, (delayMs, fire): Timer => {
      delays.push(delayMs);
      setImmediate(fire);
      return { cancel() {} };
    });
    await cache.start();
    expect(delays).toEqual([1000, 1000]);
    expect(summary(cache)).toEqual(["a=1"]);
    cache.stop();
    expect(summary(cache)).toEqual(["a=1"]);
  });

  test("stop ends a start that never got an answer, and a late answer changes nothing", async () => {
    let answer: (() => void) | undefined;
    const slow = variant(datastore, {
      list: (prefix) =>
        new Promise((resolve) => {
          answer = () => resolve(datastore.list(prefix));
        }),
    });
    await put("a", 1);
    const { cache, batches } = follow(slow);
    const start = cache.start();
    cache.stop();
    await start;
    answer?.();
    await datastore.list("/");
    await new Promise(setImmediate);
    expect([cache.synced, cache.list(), batches]).toEqual([false, [], []]);
  });

  test("a listener that throws keeps neither the others nor the cache from going on", async () => {
    const { cache, batches, batchCount } = follow(datastore);
    const calls: string[] = [];
    const end = cache.onChange(() => {
      calls.push("called");
      throw new TypeError("a bug");
    });
    const second: number[] = [];
    cache.onChange((changes) => second.push(changes.length));
    await cache.start();
    await put("a", 1);
    await batchCount(1);
    end();
    await put("b", 1);
    await batchCount(2);
    expect([calls, second, batches.flat()]).toEqual([["called"], [1, 1], ["added a 1", "added b 1"]]);
  });
});
