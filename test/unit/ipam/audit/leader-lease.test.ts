import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Clock, systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { LeaderLease } from "../../../../src/ipam/audit/leader-lease.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

const KEY = "/calico/calibird/v1/test-leader";
const patience = { timeout: 20_000, interval: 20 };
let store: Datastore;
let dispose: () => Promise<void>;
const started: LeaderLease[] = [];
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
});
afterEach(async () => {
  for (const lease of started.splice(0)) await lease.stop();
  await dispose();
});

function candidate(name: string, options: { datastore?: Datastore; clock?: Clock; ttlSec?: number } = {}): LeaderLease {
  const lease = new LeaderLease({
    datastore: store,
    clock: systemClock,
    logger: silentLogger,
    key: KEY,
    name,
    ttlSec: 30,
    ...options,
  });
  started.push(lease);
  return lease;
}

it("of many that try at once one leads, and all others know who", async () => {
  const all = Array.from({ length: 6 }, (_, index) => candidate(`n${index}`));
  await Promise.all(all.map((lease) => lease.start()));
  expect(all.filter(({ isLeader }) => isLeader)).toHaveLength(1);
  const leader = (await store.get(KEY)).item?.value;
  expect(all.map((lease) => lease.leader)).toEqual(all.map(() => leader));
});

it("when the leader stops another one follows it", async () => {
  const [first, second] = [candidate("first"), candidate("second", { ttlSec: 3 })];
  await first.start();
  await second.start();
  expect([first.isLeader, second.isLeader]).toEqual([true, false]);
  await first.stop();
  expect(first.isLeader).toBe(false);
  await vi.waitFor(() => expect(second.isLeader).toBe(true), patience);
});

it("a leader that can't renew its lease stops leading before another one may begin", async () => {
  let nowMs = 0;
  let cut = false;
  const timers: (() => void)[] = [];
  const clock: Clock = {
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    setTimer: (_, fire) => {
      timers.push(fire);
      return { cancel: () => undefined };
    },
  };
  const keepLeaseAlive = (lease: bigint) => (cut ? Promise.reject(new Error("cut off")) : store.keepLeaseAlive(lease));
  const datastore: Datastore = Object.assign(Object.create(store) as Datastore, {
    keepLeaseAlive,
    get: (key: string) => store.get(key),
    transact: (transaction: Parameters<Datastore["transact"]>[0]) => store.transact(transaction),
    grantLease: (ttlSec: number) => store.grantLease(ttlSec),
    revokeLease: (lease: bigint) => store.revokeLease(lease),
  });
  const lease = candidate("cut", { datastore, clock, ttlSec: 30 });
  await lease.start();
  expect(lease.isLeader).toBe(true);
  nowMs = 10_000;
  timers.shift()?.();
  await vi.waitFor(() => expect(timers).toHaveLength(1), patience);
  cut = true;
  nowMs = 20_000;
  timers.shift()?.();
  await vi.waitFor(() => expect(timers).toHaveLength(1), patience);
  nowMs = 39_999;
  expect(lease.isLeader).toBe(true);
  nowMs = 40_000;
  expect(lease.isLeader).toBe(false);
});

it("one whose lease has ended behind its back begins anew", async () => {
  const lease = candidate("only", { ttlSec: 3 });
  await lease.start();
  const item = (await store.get(KEY)).item;
  await store.revokeLease(item?.lease ?? 0n);
  await vi.waitFor(async () => {
    expect((await store.get(KEY)).item?.value).toBe("only");
    expect((await store.get(KEY)).item?.lease).not.toBe(item?.lease);
    expect(lease.isLeader).toBe(true);
  }, patience);
});
