import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { DescribedDatastore } from "../../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../../src/datastore/embedded/open.ts";
import { DatastoreError } from "../../../../src/datastore/errors.ts";
import { KeptFile } from "../../../../src/datastore/last-known/kept-file.ts";
import { READY_KEY, READY_PREFIX } from "../../../../src/datastore/last-known/ready-flag.ts";
import { SteadyDatastore } from "../../../../src/datastore/last-known/steady-datastore.ts";
import { put, record, remove, write } from "../../../conformance/datastore-helpers.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";

const A = "/calico/a/";
const flag = (ready: boolean) => put(READY_KEY, JSON.stringify({ spec: { datastoreReady: ready } }));
const patient = { timeout: 15_000, interval: 5 };

let folder: string;
let real: DescribedDatastore;
let away: boolean;
/** Nothing is answered. */
let silent: boolean;
const opened: SteadyDatastore[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "calibird-steady-"));
  real = await openEmbeddedDatastore({ path: join(folder, "store") });
  [away, silent] = [false, false];
});
afterEach(async () => {
  for (const steady of opened.splice(0)) await steady.close();
  await real.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The real store behind a line that can be cut. */
function line(): DescribedDatastore {
  const reach = <T>(call: () => Promise<T>): Promise<T> =>
    silent
      ? new Promise(() => {})
      : away
        ? Promise.reject(new DatastoreError("DATASTORE_UNAVAILABLE", "the line is cut"))
        : call();
  return {
    get reachable() {
      return !away;
    },
    description: { kind: "etcd", places: ["http://a:2379"] },
    get: (key) => reach(() => real.get(key)),
    list: (prefix) => reach(() => real.list(prefix)),
    transact: (transaction) => reach(() => real.transact(transaction)),
    watch: (prefix, from, handler) => real.watch(prefix, from, handler),
    grantLease: (ttlSec) => reach(() => real.grantLease(ttlSec)),
    keepLeaseAlive: (lease) => reach(() => real.keepLeaseAlive(lease)),
    revokeLease: (lease) => reach(() => real.revokeLease(lease)),
    close: () => Promise.resolve(),
  };
}

function steadyStore(clock = new ManualClock(), keepsFile = true) {
  const identity = { node: "n1", names: ["http://a:2379"] };
  const file = new KeptFile({ path: join(folder, "last-known"), identity, logger: silentLogger });
  const store = new SteadyDatastore({
    store: line(),
    policy: { complete: [READY_PREFIX, A], keeps: ({ key }) => key.startsWith(READY_PREFIX) || key.startsWith(A) },
    file: keepsFile ? file : undefined,
    clock,
    logger: silentLogger,
    random: () => 0,
  });
  opened.push(store);
  return { store, clock };
}

const { signal } = new AbortController();

/** Runs once, so that something is kept. */
async function runOnce(): Promise<void> {
  const { store } = steadyStore();
  await store.start(signal);
  await store.list(A);
  await store.close();
}

describe("a store that can't be reached at the start", () => {
  it("is read as it was last known, refuses writes at once, and is as it is when it is back", async () => {
    await write(real, put(`${A}1`, "one"), put(`${A}2`, "two"));
    await runOnce();
    await write(real, put(`${A}1`, "changed"), remove(`${A}2`), put(`${A}3`, "three"));
    away = true;
    const { store, clock } = steadyStore();
    await store.start(signal);
    expect(store.reachable).toBe(false);
    expect(store.asOfMs).toBeGreaterThan(Date.now() - 600_000);
    const { items, revision } = await store.list(A);
    expect(items.map(({ value }) => value)).toEqual(["one", "two"]);
    expect((await store.get(`${A}2`)).item?.value).toBe("two");
    const read = await store.transact({ compares: [], success: [{ type: "get", key: `${A}1` }] });
    expect(read.responses).toMatchObject([{ item: { value: "one" } }]);
    await expect(write(store, put(`${A}4`, "x"))).rejects.toMatchObject({
      code: "DATASTORE_UNAVAILABLE",
      message: expect.stringContaining("try again later"),
    });
    await expect(store.list("/calico/else/")).rejects.toMatchObject({ code: "DATASTORE_UNAVAILABLE" });

    const seen = record(store, A, revision + 1n);
    const released = vi.fn();
    store.onRelease(released);
    away = false;
    clock.advance(1_000);
    await seen.until(() => expect(seen.compactions).toHaveLength(1));
    expect(seen.events).toEqual([]);
    expect(released).toHaveBeenCalledOnce();
    expect(store).toMatchObject({ reachable: true, asOfMs: undefined });
    const now = await store.list(A);
    expect(now.items.map(({ value }) => value)).toEqual(["changed", "three"]);
    const later = record(store, A, now.revision + 1n);
    await write(store, put(`${A}4`, "x"));
    await later.untilCount(1);
  });

  it("keeps what was seen and written after the first list, too", async () => {
    const { store, clock } = steadyStore();
    await store.start(signal);
    const { revision } = await store.list(A);
    const seen = record(store, A, revision + 1n);
    await write(real, put(`${A}1`, "seen"));
    await seen.untilCount(1);
    await write(store, put(`${A}2`, "written"));
    clock.advance(2_000);
    await store.close();
    away = true;
    const second = steadyStore();
    await second.store.start(signal);
    expect((await second.store.list(A)).items.map(({ value }) => value)).toEqual(["seen", "written"]);
  });

  it("knows what the agent itself has written right before it died", async () => {
    const { store, clock } = steadyStore();
    await store.start(signal);
    await store.list(A);
    clock.advance(2_000);
    await vi.waitFor(() => expect(existsSync(join(folder, "last-known"))).toBe(true), patient);
    await write(store, put(`${A}1`, "written"));
    away = true;
    const second = steadyStore();
    await second.store.start(signal);
    expect((await second.store.list(A)).items.map(({ value }) => value)).toEqual(["written"]);
  });

  it("is waited for if nothing is kept of it, until the agent is told to stop", async () => {
    away = true;
    const abort = new AbortController();
    const { store, clock } = steadyStore();
    const started = store.start(abort.signal);
    clock.advance(100_000);
    abort.abort(new Error("stop"));
    await expect(started).rejects.toThrow("stop");
  });

  it("is begun with as soon as it answers if nothing is kept of it", async () => {
    away = true;
    const { store, clock } = steadyStore();
    const started = store.start(signal);
    await vi.waitFor(() => expect(clock.pendingTimers).toBeGreaterThan(1), patient);
    away = false;
    clock.advance(1_000);
    await started;
    expect(store.isHeld).toBe(false);
  });

  it("is waited for three seconds if it neither answers nor fails", async () => {
    await write(real, put(`${A}1`, "one"));
    await runOnce();
    silent = true;
    const { store, clock } = steadyStore();
    const started = store.start(signal);
    clock.advance(3_000);
    await started;
    expect((await store.list(A)).items.map(({ value }) => value)).toEqual(["one"]);
  });

  it("makes whoever was given something old, and watches only when it is back, list again", async () => {
    await write(real, put(`${A}1`, "one"));
    await runOnce();
    away = true;
    const { store, clock } = steadyStore();
    await store.start(signal);
    const { revision } = await store.list(A);
    away = false;
    clock.advance(1_000);
    await vi.waitFor(() => expect(store.isHeld).toBe(false), patient);
    const seen = record(store, A, revision + 1n);
    clock.advance(0);
    expect(seen.compactions).toHaveLength(1);
  });
});

describe("a store that is locked", () => {
  it("holds still: no change is told, no write of the agent is made; and afterwards what was missed is found", async () => {
    const { store } = steadyStore();
    await write(real, flag(true), put(`${A}1`, "one"));
    await store.start(signal);
    const { revision } = await store.list(A);
    const seen = record(store, A, revision + 1n);
    const quiet = record(store, "/calico/quiet/", revision + 1n);
    await write(real, flag(false));
    await vi.waitFor(() => expect(store.locked).toBe(true), patient);
    await write(real, put(`${A}1`, "changed"));
    await expect(write(store, put(`${A}2`, "x"))).rejects.toMatchObject({ code: "DATASTORE_LOCKED" });
    await expect(store.grantLease(10)).rejects.toMatchObject({ code: "DATASTORE_LOCKED" });
    expect((await store.list(A)).items.map(({ value }) => value)).toEqual(["one"]);
    expect((await store.get("/calico/else")).item).toBeUndefined();
    expect(seen.events).toEqual([]);
    await write(real, flag(true));
    await seen.until(() => expect(seen.compactions).toHaveLength(1));
    expect((await store.list(A)).items.map(({ value }) => value)).toEqual(["changed"]);
    expect(quiet.compactions).toEqual([]);
    await write(store, put("/calico/quiet/1", "x"));
    await quiet.untilCount(1);
  });

  it("at the start is read as it was last known, or waited for if that is not known", async () => {
    await write(real, flag(true), put(`${A}1`, "one"));
    await runOnce();
    await write(real, flag(false), put(`${A}1`, "half-moved"));
    const { store } = steadyStore();
    await store.start(signal);
    expect(store.locked).toBe(true);
    expect((await store.list(A)).items.map(({ value }) => value)).toEqual(["one"]);
    await store.close();
    rmSync(join(folder, "last-known"));
    const second = steadyStore();
    const begun = vi.fn();
    const started = second.store.start(signal).then(begun);
    await vi.waitFor(() => expect(second.store.locked).toBe(true), patient);
    expect(begun).not.toHaveBeenCalled();
    await write(real, flag(true));
    await started;
  });

  it("at the start is read as it is where nothing is ever kept, for its operator may need this agent to unlock it", async () => {
    await write(real, flag(false), put(`${A}1`, "one"));
    const { store } = steadyStore(new ManualClock(), false);
    await store.start(signal);
    expect((await store.list(A)).items.map(({ value }) => value)).toEqual(["one"]);
    await expect(write(store, put(`${A}1`, "x"))).rejects.toMatchObject({ code: "DATASTORE_LOCKED" });
  });

  it.each([
    ["no object", [remove(READY_KEY)]],
    ["an object without the flag", [put(READY_KEY, '{"spec":{}}')]],
    ["a value that is no JSON", [put(READY_KEY, "{")]],
  ])("is not one with %s", async (_what, operations) => {
    const { store } = steadyStore();
    await write(real, flag(false));
    await write(real, ...operations);
    await store.start(signal);
    expect(store.isHeld).toBe(false);
  });
});
