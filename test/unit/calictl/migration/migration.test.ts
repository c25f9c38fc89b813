import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type CalictlFixture, calictlWithStore, poolManifest } from "../../../support/calictl.ts";

let from: CalictlFixture;
let to: CalictlFixture;
beforeEach(async () => {
  [from, to] = [await calictlWithStore(), await calictlWithStore()];
});
afterEach(async () => {
  await from.dispose();
  await to.dispose();
});

const block =
  '{"cidr":"10.1.0.0/26","affinity":"host:etcd-a","allocations":[0,null],"unallocated":[1],"attributes":[{"handle_id":"ipip-tunnel-addr-etcd-a","secondary":{"node":"etcd-a","type":"ipipTunnelAddress"}}],"deleted":false,"sequenceNumber":1767323045123456789,"sequenceNumberForAllocation":{"0":1767323045123456788}}';
const ipam = new Map([
  ["/calico/ipam/v2/assignment/ipv4/block/10.1.0.0-26", block],
  ["/calico/ipam/v2/host/etcd-a/ipv4/block/10.1.0.0-26", '{"state":"confirmed","deleted":false}'],
  ["/calico/ipam/v2/handle/ipip-tunnel-addr-etcd-a", '{"block":{"10.1.0.0/26":1},"deleted":false}'],
  ["/calico/ipam/v2/config", '{"strict_affinity":false,"auto_allocate_blocks":true,"maxBlocksPerHost":0}'],
]);
const manifest = (nodeName: string) =>
  [
    poolManifest("pods", "10.1.0.0/16", "  nodeSelector: rack == 'r1' && has(x)\n"),
    `apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {name: etcd-a}\nspec: {bgp: {ipv4Address: 10.0.0.1/24}, orchRefs: [{nodeName: ${nodeName}, orchestrator: k8s}]}\n`,
    "apiVersion: projectcalico.org/v3\nkind: BGPPeer\nmetadata: {name: p}\nspec: {node: etcd-a, peerIP: 10.0.0.9, asNumber: 65001, filters: [f]}\n",
    "apiVersion: projectcalico.org/v3\nkind: BGPFilter\nmetadata: {name: f}\nspec: {exportV4: [{action: Accept}]}\n",
    "apiVersion: projectcalico.org/v3\nkind: NetworkSet\nmetadata: {name: s, namespace: shop, labels: {a: b}}\nspec: {nets: [10.9.0.0/16]}\n",
    "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: knp.default.copy, namespace: shop}\nspec: {selector: all()}\n",
  ]
    .toSorted((a) => (a.includes("BGPFilter") ? -1 : 1))
    .join("---\n");

async function fill(nodeName: string): Promise<void> {
  expect((await from.runWith({ stdin: manifest(nodeName) }, "create", "-f", "-")).err).toBe("");
  const success = [...ipam].map(([key, value]) => ({ type: "put", key, value }) as const);
  await from.store.transact({ compares: [], success });
}

async function migrate(): Promise<string> {
  expect(await from.run("datastore", "migrate", "lock")).toEqual({ code: 0, out: "Datastore locked.\n", err: "" });
  const { code, out, err } = await from.run("datastore", "migrate", "export");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const imported = await to.runWith({ stdin: out }, "datastore", "migrate", "import", "-f", "-");
  expect({ code: imported.code, err: imported.err }).toEqual({ code: 0, err: "" });
  return out;
}

describe("calictl datastore migrate", () => {
  it("brings resources and IPAM's data into another datastore, to the last digit", async () => {
    await fill("etcd-a");
    const text = await migrate();
    expect(text.split("===\n")).toHaveLength(3);
    for (const [key, value] of ipam) expect((await to.store.get(key)).item?.value).toBe(value);
    for (const kind of ["IPPool", "Node", "BGPPeer", "BGPFilter", "NetworkSet"] as const) {
      const [before] = (await from.client.list(kind)).resources;
      const [after] = (await to.client.list(kind)).resources;
      expect(after?.spec).toEqual(before?.spec);
      expect([after?.metadata.name, after?.metadata.labels]).toEqual([before?.metadata.name, before?.metadata.labels]);
    }
    expect((await to.client.list("NetworkPolicy")).resources).toEqual([]);
    const [before, after] = [from, to].map(({ client }) => client.get("ClusterInformation", "default"));
    expect((await after)?.spec).toEqual({ ...(await before)?.spec, datastoreReady: false });
    expect((await to.run("datastore", "migrate", "unlock")).out).toBe("Datastore unlocked.\n");
    expect((await to.client.get("ClusterInformation", "default")).spec.datastoreReady).toBe(true);
  });

  it("gives nodes the names that Kubernetes has for them, wherever they are named", async () => {
    await fill("k8s-a");
    const text = await migrate();
    expect(text).not.toMatch(/etcd-a/);
    const moved = (await to.store.get("/calico/ipam/v2/assignment/ipv4/block/10.1.0.0-26")).item?.value;
    expect(moved).toBe(block.replaceAll("etcd-a", "k8s-a"));
    const keys = (await to.store.list("/calico/ipam/v2/h")).items.map(({ key }) => key);
    expect(keys).toEqual([
      "/calico/ipam/v2/handle/ipip-tunnel-addr-k8s-a",
      "/calico/ipam/v2/host/k8s-a/ipv4/block/10.1.0.0-26",
    ]);
    expect((await to.client.get("BGPPeer", "p")).spec.node).toBe("k8s-a");
    expect((await to.client.get("Node", "k8s-a")).spec.bgp?.ipv4Address).toBe("10.0.0.1/24");
  });

  it("exports only what is locked, and imports only into what is empty", async () => {
    await fill("etcd-a");
    const unlocked = await from.run("datastore", "migrate", "export");
    expect(unlocked).toMatchObject({ code: 1, out: "" });
    expect(unlocked.err).toContain("datastore is not locked. Run the `calictl datastore migrate lock` command");
    await from.run("datastore", "migrate", "lock");
    const { out } = await from.run("datastore", "migrate", "export");
    const before = (await from.store.list("/")).items;
    const again = await from.runWith({ stdin: out }, "datastore", "migrate", "import", "-f", "-");
    expect(again.code).toBe(1);
    expect(again.err).toContain("Datastore already has Calico resources: Found existing Calico IPPool resource: pods");
    expect((await from.store.list("/")).items).toEqual(before);
  });

  it.each([
    ["nothing", "has 1 parts"],
    ["===\nx\n===\n{}\n", "has the cluster information that is no JSON"],
    ["===\n{}\n===\n[]\n", "has an IPAM part that is no object"],
    ['===\n{}\n===\n{"blocks":[{"Key":"/etc","Value":{}}]}\n', "no Key below /calico/ipam/v2/"],
    ['===\n{}\n===\n{"block":[]}\n', 'has "block" in its IPAM part, which is not known'],
    ["kind: IPPool\n===\n{}\n===\n{}\n", "standard input: document 1, line 1"],
  ])("refuses a file that is no export: %j", async (stdin, message) => {
    const { code, err } = await to.runWith({ stdin }, "datastore", "migrate", "import", "-f", "-");
    expect(code).toBe(1);
    expect(err).toContain(message);
    expect((await to.store.list("/")).items).toEqual([]);
  });
});
