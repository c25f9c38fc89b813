import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PoolModeChanger } from "../../../../src/agent/pools/pool-modes.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import { ResourceClient } from "../../../../src/datastore/resource-client.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import type { IpPoolSpec } from "../../../../src/resources/ip-pool.ts";
import type { Resource } from "../../../../src/resources/resource.ts";
import { temporaryStore } from "../../../support/temporary-store.ts";

const apiVersion = "projectcalico.org/v3";
const node = (name: string, addresses: { ipv4Address?: string; ipv6Address?: string }): Resource<"Node"> => ({
  kind: "Node",
  apiVersion,
  metadata: { name },
  spec: { bgp: addresses },
});
const nodes = [
  node("n1", { ipv4Address: "10.0.0.1/24", ipv6Address: "2001:db8::1/64" }),
  node("n2", { ipv4Address: "10.0.0.2/24" }),
  node("n3", { ipv6Address: "2001:db8:9::3/64" }),
];
const block = (text: string, owner: string) =>
  ({ block: Prefix.parse(text), node: owner, state: "confirmed" }) as const;

let client: ResourceClient;
let changer: PoolModeChanger;
let dispose: () => Promise<void>;

beforeEach(async () => {
  const opened = await temporaryStore();
  dispose = opened.dispose;
  client = new ResourceClient({ datastore: opened.store, clock: systemClock, createUid: randomUUID });
  changer = new PoolModeChanger({
    client,
    cluster: { resources: { pools: [], nodes, peers: [], configurations: [], filters: [] } },
    composer: {
      confirmedBlocks: () => [block("10.1.0.0/26", "n1"), block("10.2.0.0/26", "n2"), block("fd00:10::40/122", "n3")],
    },
  });
});
afterEach(() => dispose());

const create = (name: string, spec: IpPoolSpec) =>
  client.create<Resource<"IPPool">>({ kind: "IPPool", apiVersion, metadata: { name }, spec });
const specOf = async (name: string) => (await client.get("IPPool", name)).spec;

describe("a change of a pool's mode", () => {
  it("tells the routes of blocks inside the pool only, and is stored", async () => {
    await create("v4", { cidr: "10.2.0.0/16" });
    const { differences, changed } = await changer.setMode({
      pool: "v4",
      mode: "Always",
      tunnel: "vxlan",
      dryRun: false,
    });
    expect(changed).toBe(true);
    expect(differences.map((one) => `${one.node} ${one.block}`)).toEqual(["n1 10.2.0.0/26"]);
    expect(await specOf("v4")).toMatchObject({ ipipMode: "Never", vxlanMode: "Always" });
  });

  it("goes for the tunnel that the pool uses, else for IPIP, and never leaves both on", async () => {
    await create("v4", { cidr: "10.2.0.0/16", vxlanMode: "Always" });
    await changer.setMode({ pool: "v4", mode: "CrossSubnet", dryRun: false });
    expect(await specOf("v4")).toMatchObject({ ipipMode: "Never", vxlanMode: "CrossSubnet" });
    await changer.setMode({ pool: "v4", mode: "Always", tunnel: "ipip", dryRun: false });
    expect(await specOf("v4")).toMatchObject({ ipipMode: "Always", vxlanMode: "Never" });
  });

  it("goes by the nodes' addresses of the pool's family, and for IPv6 for VXLAN", async () => {
    await create("v6", { cidr: "fd00:10::/48" });
    const { differences, after } = await changer.setMode({ pool: "v6", mode: "CrossSubnet", dryRun: false });
    expect(after).toEqual({ ipipMode: "Never", vxlanMode: "CrossSubnet", udpMode: "Never" });
    expect(differences).toEqual([
      {
        node: "n1",
        block: "fd00:10::40/122",
        owner: "n3",
        before: "direct to 2001:db8:9::3",
        after: "vxlan to 2001:db8:9::3",
      },
    ]);
  });

  it("writes an annotation for UDP, goes on with that, and takes it away with the next tunnel", async () => {
    await create("v4", { cidr: "10.2.0.0/16", ipipMode: "Always" });
    const annotation = async () =>
      (await client.get("IPPool", "v4")).metadata.annotations?.["calibird.io/udp-encap-mode"];
    const { differences } = await changer.setMode({ pool: "v4", mode: "Always", tunnel: "udp", dryRun: false });
    expect(differences.map(({ after }) => after)).toEqual([expect.stringMatching(/^udp to /)]);
    expect([await specOf("v4"), await annotation()]).toMatchObject([
      { ipipMode: "Never", vxlanMode: "Never" },
      "Always",
    ]);
    await changer.setMode({ pool: "v4", mode: "CrossSubnet", dryRun: false });
    expect(await annotation()).toBe("CrossSubnet");
    await changer.setMode({ pool: "v4", mode: "Always", tunnel: "vxlan", dryRun: false });
    expect([await specOf("v4"), await annotation()]).toMatchObject([{ vxlanMode: "Always" }, undefined]);
  });

  it("writes nothing if it is a dry run or the pool is so already", async () => {
    const { metadata } = await create("v4", { cidr: "10.2.0.0/16" });
    const dry = await changer.setMode({ pool: "v4", mode: "Always", dryRun: true });
    const same = await changer.setMode({ pool: "v4", mode: "Never", dryRun: false });
    expect([dry.changed, dry.differences.length, same.changed, same.differences.length]).toEqual([false, 1, false, 0]);
    expect((await client.get("IPPool", "v4")).metadata.resourceVersion).toBe(metadata.resourceVersion);
  });

  it.each([true, false])("is refused with the reason if the pool cannot be so (dry run: %s)", async (dryRun) => {
    await create("v6", { cidr: "fd00::/112" });
    await expect(changer.setMode({ pool: "v6", mode: "Always", tunnel: "ipip", dryRun })).rejects.toMatchObject({
      code: "INVALID_RESOURCE",
      message: expect.stringContaining("must be Never for an IPv6 pool"),
    });
    await expect(changer.setMode({ pool: "none", mode: "Always", dryRun })).rejects.toMatchObject({
      code: "RESOURCE_NOT_FOUND",
    });
  });
});
