import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { NodeClaim } from "../../../../src/agent/start/node-claim.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Datastore, LeaseId } from "../../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../../src/datastore/embedded/open.ts";
import { DatastoreError } from "../../../../src/datastore/errors.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { faultyDatastore } from "../../../support/faulty-datastore.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";

const one = IpAddress.parse("10.0.0.1");
const two = IpAddress.parse("10.0.0.2");
const never = new AbortController().signal;

/** Of the claims only: how long they have to wait must not depend on how long the store takes. */
let clock: ManualClock;
let store: Datastore;
let dispose: () => Promise<void>;

beforeEach(async () => {
  clock = new ManualClock();
  const path = mkdtempSync(join(tmpdir(), "calibird-claims-"));
  // Its leases end only when a test ends them.
  store = await openEmbeddedDatastore({ path, clock: { ...systemClock, wallMs: () => 1_000_000 } });
  dispose = async () => {
    await store.close();
    rmSync(path, { recursive: true });
  };
});
afterEach(() => dispose());

/** The store as one agent sees it. */
function seenStore(): Datastore & { readonly leases: LeaseId[]; renewals: number } {
  const { get, list, transact, watch, revokeLease } = faultyDatastore(store, new Map());
  const seen = {
    ...{ reachable: true, get, list, transact, watch, revokeLease, close: async () => {} },
    leases: [] as LeaseId[],
    renewals: 0,
    async grantLease(ttlSec: number) {
      const lease = await store.grantLease(ttlSec);
      seen.leases.push(lease);
      return lease;
    },
    async keepLeaseAlive(lease: LeaseId) {
      await store.keepLeaseAlive(lease);
      seen.renewals++;
    },
  };
  return seen;
}

const claimOf = (nodeName: string, machine: string, datastore: Datastore = store) =>
  new NodeClaim({ datastore, clock, logger: silentLogger, nodeName, machine });

/** Lets time pass in steps until it is settled. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  let done = false;
  const settled = promise.finally(() => {
    done = true;
  });
  settled.catch(() => {});
  while (!done) {
    clock.advance(250);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return settled;
}

const keys = async () => (await store.list("/calico/calibird/v1/")).items.map(({ key }) => key);

describe("the claim of a node", () => {
  it("is one key for the name and one for each address, and gone after a clean end", async () => {
    const claim = claimOf("n1", "a");
    await claim.start([one, two], never);
    expect(await keys()).toEqual([
      "/calico/calibird/v1/addresses/10.0.0.1",
      "/calico/calibird/v1/addresses/10.0.0.2",
      "/calico/calibird/v1/names/n1",
    ]);
    await claim.stop();
    expect(await keys()).toEqual([]);
  });

  it("refuses the name of a machine that lives, after as long as its lease may last", async () => {
    const first = claimOf("n1", "a");
    await first.start([one], never);
    const begin = clock.monotonicMs();
    await expect(inTime(claimOf("n1", "b").start([two], never))).rejects.toMatchObject({
      code: "NODE_NAME_IN_USE",
      message: expect.stringContaining("another machine runs an agent as node n1"),
    });
    expect(clock.monotonicMs() - begin).toBeGreaterThanOrEqual(30_000);
    expect(first.problems).toEqual([]);
    await first.stop();
  });

  it("refuses the address of a node that lives, and leaves nothing of its own", async () => {
    const first = claimOf("n1", "a");
    await first.start([one], never);
    await expect(inTime(claimOf("n2", "b").start([one], never))).rejects.toMatchObject({
      code: "DUPLICATE_NODE_ADDRESS",
      message: expect.stringContaining("the agent of node n1 runs with the address 10.0.0.1"),
    });
    expect(await keys()).toEqual(["/calico/calibird/v1/addresses/10.0.0.1", "/calico/calibird/v1/names/n1"]);
    await first.stop();
  });

  it("is taken over at once by an agent that restarts on the same machine", async () => {
    await claimOf("n1", "a").start([one], never);
    const begin = clock.monotonicMs();
    const second = claimOf("n1", "a");
    await second.start([one], never);
    expect(clock.monotonicMs()).toBe(begin);
    await second.stop();
  });

  it("passes to another machine when the first is dead, as soon as its lease has ended", async () => {
    const seen = seenStore();
    await claimOf("n1", "a", seen).start([one], never);
    const second = claimOf("n1", "b");
    const started = second.start([one], never);
    for (const lease of seen.leases) await store.revokeLease(lease);
    await inTime(started);
    expect(JSON.parse((await store.get("/calico/calibird/v1/names/n1")).item?.value ?? "")).toEqual({
      node: "n1",
      machine: "b",
    });
    await second.stop();
  });

  it("goes to one of two machines that start together", async () => {
    const claims = ["a", "b"].map((machine) => claimOf("n1", machine));
    const results = await inTime(Promise.allSettled(claims.map((claim) => claim.start([one], never))));
    expect(results.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    await Promise.all(claims.map((claim) => claim.stop()));
  });

  it("is renewed again and again, and made again when its lease was lost", async () => {
    const seen = seenStore();
    const claim = claimOf("n1", "a", seen);
    await claim.start([one], never);
    for (let renewals = 1; renewals <= 5; renewals++) {
      clock.advance(10_000);
      await vi.waitFor(() => expect(seen.renewals).toBe(renewals));
      await vi.waitFor(() => expect(clock.pendingTimers).toBe(1));
    }
    expect(seen.leases).toHaveLength(1);
    for (const lease of seen.leases) await store.revokeLease(lease);
    expect(await keys()).toEqual([]);
    clock.advance(10_000);
    await vi.waitFor(async () => expect(await keys()).toHaveLength(2));
    await claim.stop();
  });

  it("does not hinder a start without a datastore, and is made when there is one", async () => {
    let away = true;
    const reach = async () => {
      if (away) throw new DatastoreError("DATASTORE_UNAVAILABLE", "etcd is away");
    };
    const claim = claimOf("n1", "a", faultyDatastore(store, new Map(), reach));
    await claim.start([one], never);
    expect(await keys()).toEqual([]);
    away = false;
    await vi.waitFor(async () => {
      clock.advance(10_000);
      expect(await keys()).toHaveLength(2);
    });
    await claim.stop();
  });

  it("tells of another machine that came in between, and of its end", async () => {
    const other = claimOf("n1", "b");
    let away = true;
    const reach = async () => {
      if (away) throw new DatastoreError("DATASTORE_UNAVAILABLE", "etcd is away");
    };
    const claim = claimOf("n1", "a", faultyDatastore(store, new Map(), reach));
    await claim.start([one], never);
    await other.start([one], never);
    away = false;
    await vi.waitFor(() => {
      clock.advance(10_000);
      expect(claim.problems).toEqual([expect.stringContaining("another machine runs an agent as node n1")]);
    });
    await other.stop();
    await vi.waitFor(() => {
      clock.advance(10_000);
      expect(claim.problems).toEqual([]);
    });
    await claim.stop();
  });
});
