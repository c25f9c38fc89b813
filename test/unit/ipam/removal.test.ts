import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { nodeClaimKey } from "../../../src/datastore/own-keys.ts";
import { ResourceClient } from "../../../src/datastore/resource-client.ts";
import { podOwner, tunnelOwner } from "../../../src/ipam/owners.ts";
import { removeResource } from "../../../src/ipam/removal.ts";
import { IpAddress } from "../../../src/net/address.ts";
import type { AnyResource } from "../../../src/resources/resource.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

const pools = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29 }), ipamPool("v6", "fd00::/123", { blockSize: 125 })];
const apiVersion = "projectcalico.org/v3";
let store: Datastore;
let dispose: () => Promise<void>;
let client: ResourceClient;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  client = new ResourceClient({ datastore: store, clock: systemClock, createUid: randomUUID });
});
afterEach(async () => {
  expect((await auditIpam(store)).problems).toEqual([]);
  await dispose();
});

const create = (resource: AnyResource) => client.create(resource);
const makeNode = (name: string) => create({ kind: "Node", apiVersion, metadata: { name }, spec: {} });
const remove = (kind: AnyResource["kind"], name: string, options = {}) =>
  removeResource({ client, datastore: store, clock: systemClock, random: Math.random }, kind, name, options);
const take = (text: string, owner: ReturnType<typeof tunnelOwner>, by: string) =>
  ipamNode(store, by, pools).assignAddress({ ...owner, address: IpAddress.parse(text) });
const pod = (name: string, node: string) =>
  podOwner({ network: "k8s-pod-network", containerId: name, namespace: "shop", pod: name, node }, 0);
const endpoint = (node: string, name: string, address: string) =>
  create({
    kind: "WorkloadEndpoint",
    apiVersion,
    metadata: { name: `${node}-k8s-${name}-eth0`, namespace: "shop" },
    spec: {
      orchestrator: "k8s",
      node,
      pod: name,
      endpoint: "eth0",
      containerID: name,
      ipNetworks: [`${address}/32`],
      interfaceName: `cali${name}`,
    },
  });

describe("a node that is deleted", () => {
  beforeEach(async () => {
    for (const name of ["a", "b"]) await makeNode(name);
    await take("10.0.0.1", pod("web", "a"), "a");
    await endpoint("a", "web", "10.0.0.1");
    await take("10.0.0.2", tunnelOwner("ipip", "a"), "a");
    await take("fd00::1", tunnelOwner("vxlan-v6", "a"), "a");
    await take("fd00::2", tunnelOwner("wireguard-v6", "a"), "a");
    await take("10.0.0.9", pod("other", "b"), "b");
    await endpoint("b", "other", "10.0.0.9");
    await take("10.0.0.10", pod("borrower", "a"), "a");
    // Written by somebody who does not say for which node.
    await take("10.0.0.3", { handleId: "legacy.pod", attributes: {} }, "a");
    await endpoint("a", "legacy", "10.0.0.3");
    await take("10.0.0.4", { handleId: "unknown", attributes: {} }, "a");
  });

  it("leaves no address, no block, no endpoint and no setting of its own, and everything of others", async () => {
    for (const [name, node] of [
      ["a", "a"],
      ["b", "b"],
    ] as const) {
      const spec = { node, peerIP: "192.0.2.1", asNumber: 64512 };
      await create({ kind: "BGPPeer", apiVersion, metadata: { name: `peer-${name}` }, spec });
      await create({ kind: "BGPConfiguration", apiVersion, metadata: { name: `node.${name}` }, spec: {} });
    }
    await remove("Node", "a");
    expect(Object.fromEntries((await auditIpam(store)).allocations)).toEqual({
      "10.0.0.4": "unknown",
      "10.0.0.9": "k8s-pod-network.other",
    });
    expect((await store.list("/calico/ipam/v2/host/a/")).items).toEqual([]);
    expect((await store.list("/calico/ipam/v2/assignment/ipv6/")).items).toEqual([]);
    const left = await Promise.all(
      (["Node", "WorkloadEndpoint", "BGPPeer", "BGPConfiguration"] as const).map(async (kind) =>
        (await client.list(kind)).resources.map(({ metadata }) => metadata.name),
      ),
    );
    expect(left).toEqual([["b"], ["b-k8s-other-eth0"], ["peer-b"], ["node.b"]]);
  });

  it("keeps its addresses if its agent lives and will write it again", async () => {
    await write(store, put(nodeClaimKey("a"), "{}"));
    await remove("Node", "a");
    expect((await auditIpam(store)).allocations.size).toBe(8);
    await expect(client.get("Node", "a")).rejects.toMatchObject({ code: "RESOURCE_NOT_FOUND" });
  });

  it("loses nothing if it is another one than was meant", async () => {
    await expect(remove("Node", "a", { uid: randomUUID() })).rejects.toMatchObject({ code: "UPDATE_CONFLICT" });
    await expect(remove("Node", "a", { resourceVersion: "1" })).rejects.toMatchObject({ code: "UPDATE_CONFLICT" });
    await expect(remove("Node", "none")).rejects.toMatchObject({ code: "RESOURCE_NOT_FOUND" });
    expect((await auditIpam(store)).allocations.size).toBe(8);
  });
});

describe("a pool that is deleted", () => {
  it("loses its empty blocks at once, and the others with their last address", async () => {
    await create({
      kind: "IPPool",
      apiVersion,
      metadata: { name: "v4" },
      spec: { cidr: "10.0.0.0/27", blockSize: 29 },
    });
    await ipamNode(store, "a", pools).autoAssign(addressRequest("net.x"));
    await ipamNode(store, "b", pools).ensureBlock(4);
    await remove("IPPool", "v4");
    await expect(client.get("IPPool", "v4")).rejects.toMatchObject({ code: "RESOURCE_NOT_FOUND" });
    expect(await ipamNode(store, "b", []).ownBlocks()).toEqual([]);
    const node = ipamNode(store, "a", []);
    expect(await node.ownBlocks()).toHaveLength(1);
    await node.releaseByHandle("net.x");
    expect((await store.list("/calico/ipam/")).items).toEqual([]);
  });
});

describe("any other object", () => {
  it("is deleted as it is", async () => {
    await create({ kind: "BGPConfiguration", apiVersion, metadata: { name: "default" }, spec: {} });
    await remove("BGPConfiguration", "default");
    expect((await client.list("BGPConfiguration")).resources).toEqual([]);
  });
});
