import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { ResourceClient } from "../../../src/datastore/resource-client.ts";
import { checkIpam, type IpamReport } from "../../../src/ipam/check.ts";
import { readClusterFacts } from "../../../src/ipam/cluster-facts.ts";
import { affinityKey, blockKey, handleKey } from "../../../src/ipam/keys.ts";
import { surveyIpam } from "../../../src/ipam/survey.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
let client: ResourceClient;
const pools = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29 })];
const apiVersion = "projectcalico.org/v3";
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  client = new ResourceClient({ datastore: store, clock: systemClock, createUid: randomUUID });
  await client.create({
    kind: "IPPool",
    apiVersion,
    metadata: { name: "v4" },
    spec: { cidr: "10.0.0.0/27", blockSize: 29 },
  });
});
afterEach(() => dispose());

const makeNode = (name: string, tunnel?: string) =>
  client.create({
    kind: "Node",
    apiVersion,
    metadata: { name },
    spec: tunnel === undefined ? {} : { bgp: { ipv4Address: "192.0.2.1/24", ipv4IPIPTunnelAddr: tunnel } },
  });
const makeEndpoint = (pod: string, address: string) =>
  client.create({
    kind: "WorkloadEndpoint",
    apiVersion,
    metadata: { name: `a-k8s-${pod}-eth0`, namespace: "shop" },
    spec: {
      orchestrator: "k8s",
      node: "a",
      pod,
      endpoint: "eth0",
      containerID: pod,
      ipNetworks: [`${address}/32`],
      interfaceName: `cali${pod}`,
    },
  });
const assign = (address: string, handleId: string) =>
  ipamNode(store, "a", pools).assignAddress({
    address: IpAddress.parse(address),
    handleId,
    attributes: { node: "a" },
  });
const check = async (nowMs = Date.now()): Promise<IpamReport> =>
  checkIpam(await surveyIpam(store), await readClusterFacts(client), nowMs);

describe("a check", () => {
  it("finds nothing where endpoints, tunnels, blocks and handles agree", async () => {
    await makeNode("a", "10.0.0.1");
    await assign("10.0.0.1", "ipip-tunnel-addr-a");
    await assign("10.0.0.2", "net.web");
    await makeEndpoint("web", "10.0.0.2");
    expect(await check()).toMatchObject({ problems: 0, leaked: [], unallocated: [] });
  });

  it("tells leaked, unallocated and shared addresses apart, and those outside of all pools", async () => {
    await makeNode("a", "10.0.0.1");
    await assign("10.0.0.1", "ipip-tunnel-addr-a");
    await assign("10.0.0.3", "net.gone");
    await makeEndpoint("web", "10.0.0.2");
    await makeEndpoint("twin", "10.0.0.1");
    await makeEndpoint("out", "10.9.0.1");
    const report = await check();
    expect(report.leaked.map(({ address }) => `${address}`)).toEqual(["10.0.0.3"]);
    expect(report.unallocated.map(({ user }) => user)).toEqual(["pod shop/web"]);
    expect(report.outsidePools.map(({ user }) => user)).toEqual(["pod shop/out"]);
    expect(report.shared.map(({ address, uses }) => [address, uses.map(({ user }) => user)])).toEqual([
      ["10.0.0.1", ["ipip tunnel of a", "pod shop/twin"]],
    ]);
    expect(report.problems).toBe(3);
  });

  it("does not call leaked what cools down, what Windows reserves and what load balancers have", async () => {
    await makeNode("a");
    await write(store, put("/calico/ipam/v2/config", '{"auto_allocate_blocks":true,"ipCooldownSeconds":600}'));
    await assign("10.0.0.1", "net.x");
    await ipamNode(store, "a", pools).releaseByHandle("net.x");
    await assign("10.0.0.9", "windows-reserved-ipam-handle");
    await assign("10.0.0.17", "lb-x");
    const key = blockKey(Prefix.parse("10.0.0.16/29"));
    const stored = (await store.get(key)).item?.value ?? "";
    await write(store, put(key, stored.replace("host:a", "virtual:load-balancer")));
    expect((await check()).leaked).toEqual([]);
  });

  it("finds handles without addresses, wrong counts, and addresses without a handle", async () => {
    await makeNode("a");
    const { ipv4 } = await ipamNode(store, "a", pools).autoAssign(addressRequest("net.x", 2));
    const block = `${ipv4[0]?.block}`;
    await write(
      store,
      put(handleKey("net.x"), `{"block":{"${block}":3,"10.0.0.99/32":1},"deleted":false}`),
      put(handleKey("net.empty"), `{"block":{"${block}":1},"deleted":false}`),
    );
    await ipamNode(store, "a", pools).autoAssign(addressRequest("net.y"));
    await write(store, { type: "delete", key: handleKey("net.y") });
    const report = await check();
    expect(report.emptyHandles.map(({ handleId }) => handleId)).toEqual(["net.empty"]);
    expect(report.missingHandles).toEqual(["net.y"]);
    expect(report.miscountedHandles).toEqual([
      { handleId: "net.x", block, counted: 3, held: 2 },
      { handleId: "net.x", block: "10.0.0.99/32", counted: 1, held: 0 },
      { handleId: "net.y", block, counted: 0, held: 1 },
    ]);
  });

  it("finds broken blocks, stray affinities, blocks of missing nodes, and what can't be read", async () => {
    await assign("10.0.0.1", "net.x");
    const key = blockKey(Prefix.parse("10.0.0.0/29"));
    const stored = (await store.get(key)).item?.value ?? "";
    await write(
      store,
      put(key, stored.replace('"unallocated":[0,2,', '"unallocated":[1,2,2,')),
      put(blockKey(Prefix.parse("10.0.0.0/30")), stored.replace("10.0.0.0/29", "10.0.0.0/30").slice(0, 40)),
      put(affinityKey("b", Prefix.parse("10.0.0.0/29")), '{"state":"pending","deleted":false}'),
    );
    const report = await check();
    const problems = report.invalidBlocks.map(({ problem }) => problem);
    expect(problems).toEqual([
      "an address is free twice",
      "10.0.0.0 is neither free nor taken",
      "10.0.0.1 is both free and taken",
    ]);
    expect(report.strayAffinities.map(({ node }) => node)).toEqual(["b"]);
    expect(report.blocksOfMissingNodes).toMatchObject([{ node: "a" }]);
    expect(report.unreadable).toHaveLength(1);
  });

  it("finds blocks of different sizes that overlap, and releases from the future", async () => {
    await makeNode("a");
    await write(store, put("/calico/ipam/v2/config", '{"auto_allocate_blocks":true,"ipCooldownSeconds":600}'));
    await assign("10.0.0.1", "net.x");
    await ipamNode(store, "a", pools).releaseByHandle("net.x");
    await ipamNode(store, "a", [ipamPool("small", "10.0.0.0/30", { blockSize: 30 })]).assignAddress({
      address: IpAddress.parse("10.0.0.2"),
      handleId: "net.y",
      attributes: {},
    });
    const problems = (await check(0)).invalidBlocks.map(({ problem }) => problem);
    expect(problems.filter((problem) => problem.startsWith("it overlaps"))).toHaveLength(2);
    expect(problems.filter((problem) => problem.includes("in the future"))).toHaveLength(1);
  });

  it("says of every block of a nest that it overlaps another, and of none beside it", async () => {
    const claim = (cidr: string, blockSize: number) =>
      ipamNode(store, "a", [ipamPool("one", cidr, { blockSize })]).assignAddress({
        address: IpAddress.parse(cidr.split("/")[0] ?? ""),
        handleId: `net.${blockSize}`,
        attributes: {},
      });
    await claim("10.0.0.0/28", 30);
    await claim("10.0.0.4/30", 30);
    await claim("10.0.1.0/28", 28);
    await claim("10.0.0.0/26", 26);
    const overlapping = (await check()).invalidBlocks.filter(({ problem }) => problem.startsWith("it overlaps"));
    expect(overlapping.map(({ block }) => `${block}`).sort()).toEqual(["10.0.0.0/26", "10.0.0.0/30", "10.0.0.4/30"]);
  });
});
