import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { ResourceClient } from "../../../../src/datastore/resource-client.ts";
import { IpamAdministration } from "../../../../src/ipam/administration.ts";
import { Collector } from "../../../../src/ipam/audit/collector.ts";
import { blockKey, handleKey } from "../../../../src/ipam/keys.ts";
import { podOwner, tunnelOwner } from "../../../../src/ipam/owners.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { put, write } from "../../../conformance/datastore-helpers.ts";
import { auditIpam } from "../../../support/ipam-audit.ts";
import { ipamNode } from "../../../support/ipam-node.ts";
import { ipamPool } from "../../../support/ipam-pools.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

const pools = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29 }), ipamPool("v6", "fd00::/123", { blockSize: 125 })];
const APART_MS = 60_000;
let store: Datastore;
let dispose: () => Promise<void>;
let client: ResourceClient;
let nowMs: number;
let routed: Set<string>;
const clock = { ...systemClock, wallMs: () => nowMs };

beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  nowMs = Date.parse("2026-01-02T03:04:05Z");
  routed = new Set();
  client = new ResourceClient({ datastore: store, clock, createUid: randomUUID });
  await makeNode("a");
});
afterEach(() => dispose());

const makeNode = (name: string) =>
  client.create({ kind: "Node", apiVersion: "projectcalico.org/v3", metadata: { name }, spec: {} });
const node = (name: string) => ipamNode(store, name, pools, { wallMs: () => nowMs });
const collector = (dryRun = false) =>
  new Collector({
    datastore: store,
    client,
    administration: new IpamAdministration({ datastore: store, clock, random: Math.random, pools: () => pools }),
    clock,
    logger: silentLogger,
    isRouted: (prefix) => routed.has(prefix.toString()),
    dryRun,
    apartMs: APART_MS,
  });
/** Two looks, far enough apart; what the second one has collected. */
async function lookTwice(by = collector()): Promise<readonly string[]> {
  expect((await by.run()).collected).toEqual([]);
  nowMs += APART_MS;
  return (await by.run()).collected;
}
const pod = (name: string, on: string) =>
  podOwner({ network: "k8s-pod-network", containerId: name, namespace: "shop", pod: name, node: on }, nowMs);
const take = (text: string, owner: ReturnType<typeof pod>, by: string) =>
  node(by).assignAddress({ ...owner, address: IpAddress.parse(text) });

describe("a node that is gone", () => {
  beforeEach(async () => {
    await take("10.0.0.1", pod("a1", "a"), "a");
    await take("10.0.0.9", pod("b1", "b"), "b");
    await take("10.0.0.10", tunnelOwner("ipip", "b"), "b");
    await take("fd00::1", tunnelOwner("vxlan-v6", "b"), "b");
    await take("10.0.0.2", pod("b2", "b"), "b");
    await take("10.0.0.11", pod("a2", "a"), "a");
  });

  it("loses its addresses of either family, also borrowed ones, and its blocks; others' stay", async () => {
    expect(await lookTwice()).toEqual(["node b does not exist and still has blocks or addresses"]);
    const { allocations, problems } = await auditIpam(store);
    expect(problems).toEqual([]);
    expect(Object.fromEntries(allocations)).toEqual({
      "10.0.0.1": "k8s-pod-network.a1",
      "10.0.0.11": "k8s-pod-network.a2",
    });
    expect(await node("b").ownBlocks()).toEqual([]);
    expect((await store.get(blockKey(Prefix.parse("fd00::/125")))).item).toBeUndefined();
  });

  it("keeps everything in a dry run, which says what would be collected", async () => {
    const by = collector(true);
    expect(await lookTwice(by)).toEqual([]);
    expect(by.last?.found).toEqual(["node b does not exist and still has blocks or addresses"]);
    expect((await auditIpam(store)).allocations.size).toBe(6);
  });

  it("keeps everything if it is back at the second look", async () => {
    const by = collector();
    await by.run();
    await makeNode("b");
    nowMs += APART_MS;
    expect((await by.run()).collected).toEqual([]);
    expect((await auditIpam(store)).allocations.size).toBe(6);
  });

  it.each(["10.0.0.8/29", "10.0.0.2/32"])("keeps everything as long as somebody announces %s", async (prefix) => {
    routed.add(prefix);
    const by = collector();
    expect(await lookTwice(by)).toEqual([]);
    expect(by.last?.kept).toEqual([
      `node b does not exist, but somebody announces ${prefix}, which is its; it is left alone`,
    ]);
    expect((await auditIpam(store)).allocations.size).toBe(6);
    routed.clear();
    expect(await lookTwice(by)).toHaveLength(1);
  });

  it("is not told from one that was not read: without any node nothing is collected", async () => {
    await client.delete("Node", "a");
    expect(await lookTwice()).toEqual([]);
    expect((await auditIpam(store)).allocations.size).toBe(6);
  });
});

describe("a handle", () => {
  it("that counts wrong is corrected, one without addresses removed, one that is missing made", async () => {
    await take("10.0.0.1", pod("a1", "a"), "a");
    await take("10.0.0.2", pod("a2", "a"), "a");
    await write(
      store,
      put(handleKey("k8s-pod-network.a1"), '{"block":{"10.0.0.0/29":3},"deleted":false}'),
      put(handleKey("empty"), '{"block":{"10.0.0.0/29":1},"deleted":false}'),
      put(handleKey("void"), '{"block":{},"deleted":false}'),
      { type: "delete", key: handleKey("k8s-pod-network.a2") },
    );
    expect(await lookTwice()).toHaveLength(4);
    expect((await auditIpam(store)).problems).toEqual([]);
    expect((await store.get(handleKey("empty"))).item).toBeUndefined();
    expect((await store.get(handleKey("void"))).item).toBeUndefined();
  });

  it("that counts another number at the second look is looked at once more", async () => {
    await write(store, put(handleKey("x"), '{"block":{"10.0.0.0/29":1},"deleted":false}'));
    const by = collector();
    await by.run();
    await write(store, put(handleKey("x"), '{"block":{"10.0.0.0/29":2},"deleted":false}'));
    nowMs += APART_MS;
    expect((await by.run()).collected).toEqual([]);
    nowMs += APART_MS;
    expect((await by.run()).collected).toHaveLength(1);
  });
});

describe("a block that is nobody's", () => {
  it("is removed once it is empty and what cooled down is over", async () => {
    await write(store, put("/calico/ipam/v2/config", '{"auto_allocate_blocks":true,"ipCooldownSeconds":600}'));
    await take("10.0.0.1", pod("a1", "a"), "a");
    await new IpamAdministration({ datastore: store, clock, random: Math.random, pools: () => pools }).releaseNode(
      "a",
      { onlyEmpty: false },
    );
    await node("a").releaseByHandle("k8s-pod-network.a1");
    expect(await lookTwice()).toEqual([]);
    nowMs += 600_000;
    expect(await lookTwice()).toEqual(["block 10.0.0.0/29 is empty and belongs to nobody"]);
    expect((await store.list("/calico/ipam/v2/assignment/")).items).toEqual([]);
  });
});
