import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { Datastore, WatchHandler } from "../../../src/datastore/datastore.ts";
import { DatastoreError } from "../../../src/datastore/errors.ts";
import { type BlockOwnership, BlockWatcher } from "../../../src/ipam/block-watcher.ts";
import { affinityKey } from "../../../src/ipam/keys.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, remove, write } from "../../conformance/datastore-helpers.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
let watcher: BlockWatcher | undefined;
const batches: string[][] = [];

beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  batches.length = 0;
});
afterEach(async () => {
  watcher?.stop();
  await dispose();
});

const key = (node: string, block: string) => affinityKey(node, Prefix.parse(block));
const state = (name: string) => JSON.stringify({ state: name, deleted: false });
const shown = ({ block, node, state: now }: BlockOwnership) => `${block} ${node} ${now}`;

async function follow(options: { datastore?: Datastore; delays?: number[] } = {}): Promise<void> {
  const clock = {
    ...systemClock,
    setTimer(delayMs: number, fire: () => void) {
      options.delays?.push(delayMs);
      return systemClock.setTimer(0, fire);
    },
  };
  const onChange = (changes: readonly BlockOwnership[]) => void batches.push(changes.map(shown));
  watcher = new BlockWatcher({ datastore: options.datastore ?? store, clock, logger: silentLogger, onChange });
  await watcher.start();
}

const lastBatch = (expected: readonly string[]) => vi.waitFor(() => expect(batches.at(-1)).toEqual(expected));

describe("the watcher of blocks", () => {
  it("tells what is, then every change of ownership, a transaction at a time", async () => {
    await write(store, put(key("a", "10.0.0.0/26"), state("confirmed")), put(key("b", "fd00::/122"), ""));
    await follow();
    expect(batches).toEqual([["10.0.0.0/26 a confirmed", "fd00::/122 b confirmed"]]);
    await write(store, put(key("c", "10.0.0.64/26"), state("pending")));
    await lastBatch(["10.0.0.64/26 c pending"]);
    await write(store, put(key("c", "10.0.0.64/26"), state("confirmed")), remove(key("a", "10.0.0.0/26")));
    await lastBatch(["10.0.0.64/26 c confirmed", "10.0.0.0/26 a released"]);
    await write(store, put(key("c", "10.0.0.64/26"), state("pendingDeletion")));
    await lastBatch(["10.0.0.64/26 c pendingDeletion"]);
  });

  it("says nothing about rewrites, markers, other keys and values that make no sense", async () => {
    await write(store, put(key("a", "10.0.0.0/26"), state("confirmed")));
    await follow();
    await write(store, put(key("a", "10.0.0.0/26"), state("confirmed")), put("/calico/ipam/v2/host/a", ""));
    await write(store, put(key("b", "10.0.0.64/26"), "{"), put("/calico/ipam/v2/config", "{}"));
    await write(store, put(key("a", "10.0.0.0/26"), '{"state":"confirmed","deleted":true}'));
    await lastBatch(["10.0.0.0/26 a released"]);
    expect(batches).toHaveLength(2);
  });

  it("reads everything again when the history is gone, and tells the difference only", async () => {
    await write(store, put(key("a", "10.0.0.0/26"), state("confirmed")), put(key("b", "10.0.0.64/26"), ""));
    let handler: WatchHandler | undefined;
    const deaf: Datastore = {
      reachable: true,
      get: (name) => store.get(name),
      list: (prefix) => store.list(prefix),
      transact: (transaction) => store.transact(transaction),
      watch(_prefix, _from, given) {
        handler = given;
        return { cancel() {} };
      },
      grantLease: (ttlSec) => store.grantLease(ttlSec),
      keepLeaseAlive: (lease) => store.keepLeaseAlive(lease),
      revokeLease: (lease) => store.revokeLease(lease),
      close: () => Promise.resolve(),
    };
    await follow({ datastore: deaf });
    await write(store, remove(key("a", "10.0.0.0/26")), put(key("c", "10.0.0.128/26"), state("confirmed")));
    handler?.onCompacted(1n);
    await lastBatch(["10.0.0.0/26 a released", "10.0.0.128/26 c confirmed"]);
    expect(batches).toHaveLength(2);
  });

  it("tries again when the datastore can't be read, and is silent once stopped", async () => {
    await write(store, put(key("a", "10.0.0.0/26"), state("confirmed")));
    let failures = 2;
    const list = async (prefix: string) => {
      if (failures-- > 0) throw new DatastoreError("DATASTORE_UNAVAILABLE", "down");
      return store.list(prefix);
    };
    const flaky = Object.assign(Object.create(store), { list, watch: store.watch.bind(store) });
    const delays: number[] = [];
    await follow({ datastore: flaky, delays });
    await lastBatch(["10.0.0.0/26 a confirmed"]);
    expect(delays).toEqual([1_000, 1_000]);
    watcher?.stop();
    const { revision } = await write(store, remove(key("a", "10.0.0.0/26")));
    const witness = new Promise<void>((resolve) =>
      store.watch("/", revision, { onEvents: () => resolve(), onCompacted: () => resolve() }),
    );
    await witness;
    expect(batches).toHaveLength(1);
  });
});
