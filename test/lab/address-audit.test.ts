import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { IpamAuditView } from "../../src/agent/api/views.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../../src/datastore/embedded/open.ts";
import { podInterfaceName } from "../../src/endpoint/names.ts";
import { Ipam } from "../../src/ipam/ipam.ts";
import { handleKey } from "../../src/ipam/keys.ts";
import { podOwner } from "../../src/ipam/owners.ts";
import { labPaths } from "../../src/lab/runtime/paths.ts";
import { put, write } from "../conformance/datastore-helpers.ts";
import { ipamPool } from "../support/ipam-pools.ts";
import { AgentLab, type AgentNode, agentNodes, patience } from "./support/agent-lab.ts";

let agents: AgentLab;
let store: Datastore;
beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 28, flags: "--ipam-audit-interval 1" });
  store = await openEmbeddedDatastore({ path: join(labPaths(agents.lab.name).files, "datastore") });
});
afterAll(async () => {
  await store?.close();
  await agents?.down();
});

/** Takes an address for a pod of n1 that nobody makes, as a crash in between leaves it. */
async function takeFor(pod: string): Promise<string> {
  const fixed = { clock: systemClock, random: Math.random, logger: silentLogger, nodeLabels: () => ({}) };
  const pools = [ipamPool("pool", "10.244.0.0/16", { blockSize: 28 })];
  const ipam = new Ipam({ ...fixed, datastore: store, nodeName: "n1", pools: () => pools });
  const identity = { network: "k8s-pod-network", containerId: `${pod}-1`, namespace: "default", pod, node: "n1" };
  const owner = podOwner(identity, Date.now());
  const { ipv4 } = await ipam.autoAssign({ ...owner, count4: 1, count6: 0, intendedUse: "Workload" });
  return `${ipv4[0]?.address}`;
}
const viewOf = (node: AgentNode): Promise<IpamAuditView> => agents.client(node).get("/v1/ipam/audit");

describe("agents that audit addresses every second", () => {
  it("free one that nothing uses, and keep one whose interface is there until it is gone", async () => {
    const device = podInterfaceName("default", "kept");
    await agents.succeed("n1", "ip", "link", "add", device, "type", "veth", "peer", "name", "stranger0");
    const [ghost, kept] = [await takeFor("ghost"), await takeFor("kept")];
    await vi.waitFor(async () => expect(await agents.allocatedAddresses()).not.toContain(ghost), patience);
    const { totals } = await viewOf("n1");
    expect(totals.released).toBeGreaterThan(0);
    expect(await agents.allocatedAddresses()).toContain(kept);
    await agents.succeed("n1", "ip", "link", "del", device);
    await vi.waitFor(async () => expect(await agents.allocatedAddresses()).not.toContain(kept), patience);
    expect(await agents.unreachable()).toEqual([]);
  });

  it("record an address that an interface of an unknown pod leads to, for as long as it does", async () => {
    const [block = ""] = await agents.blocks("n1");
    const address = block.replace(/\.(\d+)\/\d+$/, (_, last: string) => `.${Number(last) + 15}`);
    const device = "calistranger";
    await agents.succeed("n1", "ip", "link", "add", device, "type", "veth", "peer", "name", "stranger0");
    await agents.succeed("n1", "ip", "link", "set", device, "up");
    await agents.succeed("n1", "ip", "route", "add", `${address}/32`, "dev", device);
    await vi.waitFor(async () => expect(await agents.allocatedAddresses()).toContain(address), patience);
    await agents.succeed("n1", "ip", "link", "del", device);
    await vi.waitFor(async () => expect(await agents.allocatedAddresses()).not.toContain(address), patience);
  });

  it("have one among them that collects handles without addresses", async () => {
    await vi.waitFor(async () => {
      const views = await Promise.all(agentNodes.map((node) => viewOf(node)));
      const leaders = new Set(views.map(({ collection }) => collection.leader));
      expect([...leaders]).toEqual([expect.stringMatching(/^n[123]$/)]);
      expect(views.filter(({ collection }) => collection.lookedAt !== null)).toHaveLength(1);
    }, patience);
    const [block = ""] = await agents.blocks("n1");
    await write(store, put(handleKey("lab.orphan"), `{"block":{"${block}":1},"deleted":false}`));
    await vi.waitFor(async () => expect((await store.get(handleKey("lab.orphan"))).item).toBeUndefined(), patience);
  });
});
