import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../../src/core/clock.ts";
import { silentLogger } from "../../../../src/core/logger.ts";
import type { Datastore } from "../../../../src/datastore/datastore.ts";
import { allocationsOf } from "../../../../src/ipam/allocations.ts";
import { type LiveAddress, NodeAudit, type NodeAuditOptions } from "../../../../src/ipam/audit/node-audit.ts";
import type { Ipam } from "../../../../src/ipam/ipam.ts";
import { podOwner, tunnelOwner } from "../../../../src/ipam/owners.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { put, write } from "../../../conformance/datastore-helpers.ts";
import { auditIpam } from "../../../support/ipam-audit.ts";
import { ipamNode } from "../../../support/ipam-node.ts";
import { ipamPool } from "../../../support/ipam-pools.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

const pools = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29 })];
const network = "k8s-pod-network";
const APART_MS = 60_000;
let store: Datastore;
let dispose: () => Promise<void>;
let nowMs: number;
let ipam: Ipam;
/** What the node knows; changed by the tests. */
let live: LiveAddress[];
let recorded: Set<string>;
let routed: Map<string, { address: IpAddress; device: string }>;
let devices: Set<string>;

beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  nowMs = Date.parse("2026-01-02T03:04:05Z");
  ipam = ipamNode(store, "a", pools, { wallMs: () => nowMs });
  live = [];
  recorded = new Set();
  routed = new Map();
  devices = new Set(["eth0"]);
});
afterEach(async () => {
  expect((await auditIpam(store)).problems).toEqual([]);
  await dispose();
});

const deviceOf = (namespace: string, pod: string) => `cali-${namespace}-${pod}`;
function auditor(options: Partial<NodeAuditOptions> = {}): NodeAudit {
  return new NodeAudit({
    nodeName: "a",
    ipam,
    facts: () => Promise.resolve({ live, recorded, local: { routed, devices } }),
    isPooled: (address) => pools.some(({ cidr }) => cidr.containsAddress(address)),
    deviceOf,
    isPodHandle: (handleId) => handleId.startsWith(`${network}.`),
    isBeingMade: () => false,
    dryRun: false,
    apartMs: APART_MS,
    clock: { ...systemClock, wallMs: () => nowMs },
    logger: silentLogger,
    ...options,
  });
}
const podOn = (node: string, pod: string, containerId = `${pod}-1`) =>
  podOwner({ network, containerId, namespace: "shop", pod, node }, nowMs);
const address = (last: number) => IpAddress.parse(`10.0.0.${last}`);
const take = (last: number, owner = podOn("a", "web"), by = ipam) =>
  by.assignAddress({ ...owner, address: address(last) });

/** A pod that runs: its address has a route through its interface. */
function run(pod: string, last: number, containerId = `${pod}-1`): LiveAddress {
  const owner = podOn("a", pod, containerId);
  const device = deviceOf("shop", pod);
  const one = { address: address(last), owner, user: `pod shop/${pod}`, device };
  live.push(one);
  devices.add(device);
  routed.set(one.address.toString(), { address: one.address, device });
  recorded.add(owner.handleId);
  return one;
}
async function holders(): Promise<Record<string, string>> {
  const found = (await ipam.blocks()).flatMap(allocationsOf).filter(({ coolingDown }) => !coolingDown);
  return Object.fromEntries(found.map((each) => [`${each.address}`.replace("10.0.0.", ""), each.handleId ?? ""]));
}
const later = () => {
  nowMs += APART_MS;
};

describe("an address that is in use", () => {
  it("and recorded stays as it is", async () => {
    await take(1);
    run("web", 1);
    expect(await auditor().run()).toMatchObject({ asserted: [], conflicts: [], unused: [], released: [] });
  });

  it("but not recorded is recorded at once, in a block of this node, or borrowed from another's", async () => {
    await take(9, podOn("b", "other"), ipamNode(store, "b", pools));
    run("web", 1);
    run("far", 10);
    const report = await auditor().run();
    expect(report).toMatchObject({ asserted: ["10.0.0.1", "10.0.0.10"], conflicts: [] });
    expect(await holders()).toEqual({
      1: `${network}.web-1`,
      9: `${network}.other-1`,
      10: `${network}.far-1`,
    });
    expect((await ipam.ownBlocks()).map(String)).toEqual(["10.0.0.0/29"]);
    expect((await auditor().run()).asserted).toEqual([]);
  });

  it("but cooling down is recorded again", async () => {
    await write(store, put("/calico/ipam/v2/config", '{"auto_allocate_blocks":true,"ipCooldownSeconds":3600}'));
    await take(1);
    await ipam.releaseByHandle(`${network}.web-1`);
    run("web", 1);
    expect((await auditor().run()).asserted).toEqual(["10.0.0.1"]);
    expect(await holders()).toEqual({ 1: `${network}.web-1` });
  });

  it("and recorded for a pod of this node that is gone changes its owner", async () => {
    await take(1, podOn("a", "earlier"));
    recorded.add(`${network}.earlier-1`);
    run("web", 1);
    expect((await auditor().run()).asserted).toEqual(["10.0.0.1"]);
    expect(await holders()).toEqual({ 1: `${network}.web-1` });
  });

  it("and recorded for an earlier container of the same pod changes its owner", async () => {
    await take(1, podOn("a", "web", "old"));
    run("web", 1, "new");
    expect((await auditor().run()).asserted).toEqual(["10.0.0.1"]);
    expect(await holders()).toEqual({ 1: `${network}.new` });
  });

  it("and recorded for the same container by another plugin stays as it is", async () => {
    await take(1, { handleId: "other-net.web-1", attributes: { node: "a" } });
    run("web", 1);
    await take(2, { handleId: "shop.old", attributes: { node: "a" } });
    run("old", 2);
    expect((await auditor().run()).asserted).toEqual([]);
  });

  it.each([
    ["of another node", "b", []],
    ["of this node whose interface is there", "a", [deviceOf("shop", "twin")]],
  ])("and recorded for a pod %s is a conflict, and both keep it", async (_, node, present) => {
    await take(1, podOn(node, "twin"));
    run("web", 1);
    for (const device of present) devices.add(device);
    const { conflicts, asserted } = await auditor().run();
    expect(asserted).toEqual([]);
    expect(conflicts).toEqual([
      `pod shop/web uses 10.0.0.1, which is recorded for pod shop/twin of node ${node}: ` +
        "delete one of the two, so that it gets another address",
    ]);
    expect(await holders()).toEqual({ 1: `${network}.twin-1` });
  });

  it("but outside of all pools is not IPAM's", async () => {
    const owner = podOn("a", "web");
    live.push({ address: IpAddress.parse("192.0.2.1"), owner, user: "pod shop/web", device: "cali" });
    expect(await auditor().run()).toMatchObject({ asserted: [], conflicts: [] });
  });

  it("by a tunnel is recorded under the tunnel's handle, but gives way to a pod", async () => {
    const tunnel = { owner: tunnelOwner("ipip", "a"), user: "the ipip tunnel of this node", device: "ipip" };
    live.push({ address: address(3), ...tunnel });
    expect((await auditor().run()).asserted).toEqual(["10.0.0.3"]);
    run("web", 3);
    live.reverse();
    const { conflicts } = await auditor().run();
    expect(conflicts).toHaveLength(1);
    live = live.filter(({ device }) => device !== "ipip");
    await auditor().run();
    expect(await holders()).toEqual({ 3: `${network}.web-1` });
  });

  it("by an interface that nobody knows is kept from others until the interface is gone", async () => {
    routed.set("10.0.0.4", { address: address(4), device: "cali-x" });
    devices.add("cali-x");
    const audit = auditor();
    expect((await audit.run()).asserted).toEqual(["10.0.0.4"]);
    expect(await holders()).toEqual({ 4: "calibird-kept.a.cali-x" });
    later();
    expect((await audit.run()).unused).toEqual([]);
    routed.clear();
    await audit.run();
    later();
    expect((await audit.run()).unused).toEqual([]);
    devices.delete("cali-x");
    await audit.run();
    later();
    expect((await audit.run()).released).toEqual(["10.0.0.4"]);
  });

  it("and was kept for an interface becomes the pod's when the pod is known", async () => {
    routed.set("10.0.0.4", { address: address(4), device: deviceOf("shop", "web") });
    devices.add(deviceOf("shop", "web"));
    const audit = auditor();
    await audit.run();
    run("web", 4);
    expect((await audit.run()).asserted).toEqual(["10.0.0.4"]);
    expect(await holders()).toEqual({ 4: `${network}.web-1` });
  });
});

describe("an address that nothing uses", () => {
  it("is freed at the second look, and not before", async () => {
    await take(1);
    const audit = auditor();
    expect(await audit.run()).toMatchObject({ unused: ["10.0.0.1"], released: [] });
    nowMs += APART_MS - 1;
    expect(await audit.run()).toMatchObject({ unused: ["10.0.0.1"], released: [] });
    nowMs += 1;
    expect((await audit.run()).released).toEqual(["10.0.0.1"]);
    expect(await holders()).toEqual({});
  });

  it("is only reported in a dry run", async () => {
    await take(1);
    const audit = auditor({ dryRun: true });
    await audit.run();
    later();
    expect(await audit.run()).toMatchObject({ unused: ["10.0.0.1"], released: [] });
  });

  it("stays if another allocation has taken its place between the looks", async () => {
    await take(1);
    const audit = auditor();
    await audit.run();
    await ipam.releaseByHandle(`${network}.web-1`);
    await take(1);
    later();
    expect((await audit.run()).released).toEqual([]);
    later();
    expect((await audit.run()).released).toEqual(["10.0.0.1"]);
  });

  it.each<[string, () => void]>([
    ["a record", () => recorded.add(`${network}.web-1`)],
    ["an interface", () => devices.add(deviceOf("shop", "web"))],
    ["a route", () => routed.set("10.0.0.1", { address: address(1), device: "cali-y" })],
  ])("but has %s stays", async (_, arrange) => {
    await take(1);
    arrange();
    const audit = auditor();
    await audit.run();
    later();
    expect((await audit.run()).released).toEqual([]);
  });

  it("stays while its pod is being made", async () => {
    await take(1);
    const audit = auditor({ isBeingMade: (handleId) => handleId === `${network}.web-1` });
    await audit.run();
    later();
    expect((await audit.run()).unused).toEqual([]);
  });

  it.each([
    ["of another node", podOn.bind(undefined, "b", "web")],
    ["of a tunnel", () => tunnelOwner("vxlan", "a")],
    ["of another network", () => ({ handleId: "other.x", attributes: { node: "a", namespace: "shop", pod: "x" } })],
  ])("%s is not this audit's", async (_, owner) => {
    await take(1, owner());
    const audit = auditor();
    await audit.run();
    later();
    expect((await audit.run()).unused).toEqual([]);
  });

  it("is freed also if the pod of its name runs with another address", async () => {
    await take(1, podOn("a", "web", "old"));
    await take(2, podOn("a", "web", "new"));
    run("web", 2, "new");
    const audit = auditor();
    await audit.run();
    later();
    expect((await audit.run()).released).toEqual(["10.0.0.1"]);
    expect(await holders()).toEqual({ 2: `${network}.new` });
  });
});
