import { randomBytes, randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resolveConfig } from "../../../../src/agent/config/resolve.ts";
import { ClusterDefaults, type ClusterDefaultsOptions } from "../../../../src/agent/start/cluster-defaults.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../../../src/datastore/embedded/open.ts";
import { DatastoreError } from "../../../../src/datastore/errors.ts";
import { ResourceClient } from "../../../../src/datastore/resource-client.ts";
import { faultyDatastore } from "../../../support/faulty-datastore.ts";
import { ManualClock } from "../../../support/scripted-speaker.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

let store: Datastore;
let path: string;
let dispose: () => Promise<void>;
const clock = new ManualClock();

beforeEach(async () => {
  ({ store, path, dispose } = await temporaryStore());
});
afterEach(() => dispose());

const clientOf = (datastore: Datastore) => new ResourceClient({ datastore, clock, createUid: randomUUID });

async function defaultsOf(
  datastore: Datastore,
  changes: Partial<ClusterDefaultsOptions> = {},
  environment: Record<string, string> = {},
): Promise<ClusterDefaults> {
  return new ClusterDefaults({
    datastore,
    clock,
    logger: silentLogger,
    createUid: randomUUID,
    pools: await resolveConfig({ flags: {}, environment }),
    surroundings: { families: [4, 6], ownSubnets: [], randomBytes },
    ...changes,
  });
}

const poolNames = async () => (await clientOf(store).list("IPPool")).resources.map(({ metadata }) => metadata.name);
const bothPools = ["default-ipv4-ippool", "default-ipv6-ippool"];

const pool = (name: string, cidr: string) => ({
  kind: "IPPool" as const,
  apiVersion: "projectcalico.org/v3" as const,
  metadata: { name },
  spec: { cidr },
});

describe("the defaults of a cluster", () => {
  it("are created all in one transaction", async () => {
    const before = (await store.get("/")).revision;
    await (await defaultsOf(store)).ensure();
    const { items, revision } = await store.list("/calico/");
    expect(revision).toBe(before + 1n);
    expect(items.map(({ key }) => key.slice("/calico/resources/v3/projectcalico.org/".length))).toEqual(
      expect.arrayContaining([
        "clusterinformations/default",
        "felixconfigurations/default",
        ...["default", "kube-admin", "kube-baseline"].map((name) => `tiers/${name}`),
        ...bothPools.map((name) => `ippools/${name}`),
      ]),
    );
    const { spec } = await clientOf(store).get("ClusterInformation", "default");
    expect(spec).toEqual({ clusterGUID: expect.stringMatching(/^[0-9a-f]{32}$/), datastoreReady: true });
    const felix = await clientOf(store).get("FelixConfiguration", "default");
    expect(felix.spec).toMatchObject({ logSeverityScreen: "Info", reportingInterval: "0s" });
  });

  it("are created once, by whichever of 50 nodes that start together", async () => {
    const before = (await store.get("/")).revision;
    const stores = await Promise.all(Array.from({ length: 5 }, () => openEmbeddedDatastore({ path })));
    const nodes = await Promise.all(Array.from({ length: 50 }, (_v, index) => defaultsOf(stores[index % 5] ?? store)));
    await Promise.all(nodes.map((node) => node.ensure()));
    await Promise.all(stores.map((one) => one.close()));
    const revision = (await store.list("/calico/")).revision;
    expect(revision).toBe(before + 1n);
    expect(await poolNames()).toEqual(bothPools);
    expect(clock.pendingTimers).toBe(0);
  });

  it("are not touched when they are there, whatever is in them", async () => {
    await (await defaultsOf(store)).ensure();
    const client = clientOf(store);
    const information = await client.get("ClusterInformation", "default");
    await client.update({ ...information, spec: { ...information.spec, datastoreReady: false } });
    await client.delete("IPPool", "default-ipv6-ippool");
    await client.create(pool("mine", "fd00:1::/64"));
    const { revision } = await store.list("/calico/");
    await (await defaultsOf(store)).ensure();
    expect((await store.list("/calico/")).revision).toBe(revision);
  });

  it("leave out a pool of a family that has one, and all with NO_DEFAULT_POOLS", async () => {
    await clientOf(store).create(pool("mine", "10.1.0.0/16"));
    await (await defaultsOf(store, {}, { NO_DEFAULT_POOLS: "true" })).ensure();
    expect(await poolNames()).toEqual(["mine"]);
    await (await defaultsOf(store)).ensure();
    expect(await poolNames()).toEqual(["default-ipv6-ippool", "mine"]);
  });

  it("take a pool back if somebody's came between the look and the write", async () => {
    let intervened = false;
    const slow = faultyDatastore(store, new Map());
    const racing: Datastore = {
      ...slow,
      reachable: true,
      transact: async (transaction) => {
        if (!intervened) {
          intervened = true;
          await clientOf(store).create(pool("mine", "10.1.0.0/16"));
        }
        return store.transact(transaction);
      },
    };
    await (await defaultsOf(racing)).ensure();
    expect(await poolNames()).toEqual(["default-ipv6-ippool", "mine"]);
  });

  it("say that the datastore is ready where that was left open, and keep the rest", async () => {
    const client = clientOf(store);
    await client.create({
      kind: "ClusterInformation",
      apiVersion: "projectcalico.org/v3",
      metadata: { name: "default" },
      spec: { clusterGUID: "0123456789abcdef0123456789abcdef", clusterType: "k8s" },
    });
    await (await defaultsOf(store)).ensure();
    expect((await client.get("ClusterInformation", "default")).spec).toEqual({
      clusterGUID: "0123456789abcdef0123456789abcdef",
      clusterType: "k8s",
      datastoreReady: true,
    });
  });

  it.each(["unknown-before", "unknown-after"] as const)("are settled after a lost answer (%s)", async (fault) => {
    const defaults = await defaultsOf(faultyDatastore(store, new Map([[0, fault]])));
    await defaults.ensure();
    if (clock.pendingTimers > 0) {
      clock.advance(5_000);
      await expect.poll(poolNames).toEqual(bothPools);
    }
    expect(await poolNames()).toEqual(bothPools);
    defaults.stop();
  });

  it("are created when the datastore is back, and never after the end", async () => {
    let away = true;
    const reach = () => {
      if (away) throw new DatastoreError("DATASTORE_UNAVAILABLE", "etcd is away");
      return Promise.resolve();
    };
    const defaults = await defaultsOf(faultyDatastore(store, new Map(), async () => reach()));
    await defaults.ensure();
    expect(await poolNames()).toEqual([]);
    away = false;
    clock.advance(5_000);
    await expect.poll(poolNames).toEqual(bothPools);
    away = true;
    await defaults.ensure();
    expect(clock.pendingTimers).toBe(1);
    defaults.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
