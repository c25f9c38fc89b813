import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { READY_KEY } from "../../src/datastore/last-known/ready-flag.ts";
import { AgentLab, type AgentNode, agentNodes, patience } from "./support/agent-lab.ts";
import { kernelPrefixes, RouteMonitor } from "./support/kernel-routes.ts";
import { PingStream } from "./support/ping-stream.ts";

const etcd = "http://10.0.0.250:2379";
let agents: AgentLab;

beforeAll(async () => {
  agents = await AgentLab.start({ blockSize: 26, topology: "three-nodes-etcd.clab.yml" });
});
afterAll(() => agents?.down());
// A test that failed half-way must not take the next ones with it.
beforeEach(async () => {
  for (const name of ["e1", ...agentNodes])
    if (agents.lab.status().find((node) => node.name === name)?.main?.state === "exited")
      await agents.lab.startNode(name);
  await vi.waitFor(() => agents.succeed("n2", "calictl", "apply", "-f", "/etc/calibird/manifests"), patience);
  await agents.settled();
  for (const node of agentNodes)
    await vi.waitFor(
      async () => expect(await datastoreOf(node)).toMatchObject({ reachable: true, locked: false }),
      patience,
    );
});

const datastoreOf = async (node: AgentNode) => (await agents.status(node)).node.datastore;

async function etcdctl(...argv: string[]): Promise<string> {
  const command = ["env", "ETCDCTL_API=3", "etcdctl", "--endpoints", "http://127.0.0.1:2379"];
  return agents.succeed("e1", ...command, ...argv);
}

async function keys(): Promise<string[]> {
  return (await etcdctl("get", "--prefix", "--keys-only", "/calico/")).split("\n").filter((line) => line !== "");
}

/** Locks or unlocks the datastore, as a migration does. */
async function setReady(ready: boolean): Promise<void> {
  const stored = JSON.parse(await etcdctl("get", "--print-value-only", READY_KEY)) as { spec: object };
  await etcdctl("put", READY_KEY, JSON.stringify({ ...stored, spec: { ...stored.spec, datastoreReady: ready } }));
  for (const node of agentNodes)
    await vi.waitFor(async () => expect((await datastoreOf(node)).locked).toBe(!ready), patience);
}

async function kernels(): Promise<Record<string, string[]>> {
  const entries = agentNodes.map(async (node) => [node, await kernelPrefixes(agents, node)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Waits until n1 has written down what it will go on with. */
async function keptByN1(): Promise<void> {
  const file = join(agents.runFile("n1", ""), "..", "state", "last-known");
  await vi.waitFor(() => expect(readFileSync(file, "utf8")).toContain("/bgppeers/r1"), patience);
}

/** Pings between pods, to and from n1 and past it. */
async function startPings(): Promise<PingStream[]> {
  const ping = async (node: AgentNode, pod: string, target: string) =>
    PingStream.start(agents, { node, pod }, target, 0.02);
  return [
    await ping("n1", "n1-a", await agents.addressOf("n2", "n2-a")),
    await ping("n3", "n3-a", await agents.addressOf("n1", "n1-a")),
    await ping("n2", "n2-b", await agents.addressOf("n3", "n3-b")),
  ];
}

async function expectNoLoss(streams: readonly PingStream[]): Promise<void> {
  for (const stream of streams) {
    const report = await stream.stop();
    expect(report, stream.label).toMatchObject({ lost: [], errors: [] });
    expect(report.sent, stream.label).toBeGreaterThan(20);
  }
}

describe("three nodes that share an etcd", () => {
  it("carry packets between every two pods, and between every pod and what is behind the router", async () => {
    expect(await agents.unreachable()).toEqual([]);
  });

  it("say which member they ask", async () => {
    expect(await datastoreOf("n1")).toMatchObject({ kind: "etcd", places: [etcd], member: etcd, asOf: null });
    expect((await agents.run("n1", "calictl", "node", "status")).stdout).toContain(`Datastore   etcd ${etcd}\n`);
  });

  it("keep everything under Calico's keys", async () => {
    const resources = "/calico/resources/v3/projectcalico.org";
    const [block] = await agents.blocks("n1");
    const text = `${block}`.replace("/", "-");
    const expected = [
      `${resources}/ippools/pods`,
      `${resources}/bgppeers/r1`,
      `${resources}/nodes/n1`,
      `${resources}/workloadendpoints/default/n1-k8s-n1--a-eth0`,
      READY_KEY,
      `/calico/ipam/v2/assignment/ipv4/block/${text}`,
      `/calico/ipam/v2/host/n1/ipv4/block/${text}`,
    ];
    expect(await keys()).toEqual(expect.arrayContaining(expected));
  });
});

describe("a node that starts while etcd is away", () => {
  it("loses no packet and no route, has its sessions, says so, and is as the others when etcd is back", async () => {
    const before = await kernels();
    const pods = await agents.pods("n1");
    const monitors = await Promise.all(agentNodes.map((node) => RouteMonitor.start(agents, node)));
    await keptByN1();
    const pings = await startPings();
    pings.push(await PingStream.start(agents, { node: "n1", pod: "n1-a" }, "172.31.0.1", 0.02));
    await agents.lab.killNode("e1");
    for (const node of agentNodes)
      await vi.waitFor(async () => expect((await datastoreOf(node)).reachable).toBe(false), patience);
    await agents.lab.killNode("n1");
    await agents.lab.startNode("n1");
    await agents.settled();
    expect(await agents.pods("n1")).toEqual(pods);
    expect(await kernels()).toEqual(before);
    const { stdout } = await agents.run("n1", "calictl", "node", "status");
    expect(stdout).toMatch(/Datastore +etcd \S+ +UNREACHABLE, going on with the state of \d{4}-\d\d-\d\dT/);
    expect(stdout).toContain("Problem: the datastore can't be reached");
    await expectNoLoss(pings);

    await agents.lab.startNode("e1");
    for (const node of agentNodes)
      await vi.waitFor(
        async () => expect(await datastoreOf(node)).toMatchObject({ reachable: true, asOf: null }),
        patience,
      );
    await agents.settled();
    expect(await kernels()).toEqual(before);
    expect((await Promise.all(monitors.map((monitor) => monitor.deletions()))).flat()).toEqual([]);
  });

  it("learns what has changed meanwhile, and does what it was asked for then", async () => {
    await keptByN1();
    await agents.addPod("n1", "n1-gone");
    const address = await agents.addressOf("n1", "n1-gone");
    // Nobody but the node itself is away from etcd.
    const block = ["add", "table", "inet", "away"];
    await agents.succeed("n1", "nft", ...block);
    await agents.succeed(
      "n1",
      "nft",
      "add",
      "chain",
      "inet",
      "away",
      "out",
      "{ type filter hook output priority 0 ; }",
    );
    await agents.succeed("n1", "nft", "add", "rule", "inet", "away", "out", "ip", "daddr", "10.0.0.250", "drop");
    try {
      await agents.lab.killNode("n1");
      await agents.succeed("n2", "calictl", "delete", "bgppeer", "r1");
      await agents.lab.startNode("n1");
      // It goes on with the session that the others have given up.
      await vi.waitFor(async () => expect((await agents.peers("n1")).length).toBe(3), patience);
      expect((await agents.pods("n1")).map(({ name }) => name)).toContain("n1-gone");
      expect((await datastoreOf("n1")).reachable).toBe(false);
      await vi.waitFor(async () => expect(await agents.peers("n2")).toHaveLength(2), patience);
      const refused = await agents.run("n1", "calibird", "pod", "add", "default/n1-new");
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/can't be reached|no address is given out yet/);
      await agents.deletePod("n1", "n1-gone");
      expect(await kernelPrefixes(agents, "n1")).not.toContain(`${address}/32`);
      expect(await agents.allocatedAddresses()).toContain(address);
    } finally {
      await agents.succeed("n1", "nft", "delete table inet away");
    }
    await vi.waitFor(async () => expect(await agents.peers("n1")).toHaveLength(2), patience);
    await vi.waitFor(async () => expect(await agents.allocatedAddresses()).not.toContain(address), patience);
    await vi.waitFor(async () => expect((await keys()).join()).not.toContain("n1-k8s-n1--gone"), patience);
    await agents.succeed("n2", "calictl", "apply", "-f", "/etc/calibird/manifests");
    await agents.addPod("n1", "n1-new");
    await agents.deletePod("n1", "n1-new");
  });
});

describe("a node that is cut off from etcd by dropped packets", () => {
  it("notices it, goes on, and follows what has changed when they pass again, without a lost session or ping", async () => {
    const mesh = async () =>
      (await agents.peers("n1"))
        .filter(({ name }) => name.startsWith("Mesh"))
        .map(({ name, state, timesEstablished }) => `${name} ${state} ${timesEstablished}`);
    const before = await mesh();
    const pings = await startPings();
    await agents.succeed("n1", "nft", "add table inet away");
    try {
      for (const [hook, end] of [
        ["output", "daddr"],
        ["input", "saddr"],
      ]) {
        await agents.succeed("n1", "nft", `add chain inet away ${hook} { type filter hook ${hook} priority 0 ; }`);
        await agents.succeed("n1", "nft", `add rule inet away ${hook} ip ${end} 10.0.0.250 drop`);
      }
      await agents.succeed("n2", "calictl", "delete", "bgppeer", "r1");
      await vi.waitFor(async () => expect((await datastoreOf("n1")).reachable).toBe(false), patience);
      expect((await datastoreOf("n1")).asOf).not.toBeNull();
      expect(await agents.peers("n1")).toHaveLength(3);
    } finally {
      await agents.succeed("n1", "nft", "delete table inet away");
    }
    await vi.waitFor(async () => expect(await agents.peers("n1")).toHaveLength(2), patience);
    expect(await datastoreOf("n1")).toMatchObject({ reachable: true, asOf: null });
    expect(await mesh()).toEqual(before);
    await expectNoLoss(pings);
  });
});

describe("a datastore that is locked for a migration", () => {
  it("is left alone by every agent, which hold their routes and sessions, and is followed again afterwards", async () => {
    const before = await kernels();
    await keptByN1();
    const pings = await startPings();
    await setReady(false);
    const refused = await agents.run("n1", "calibird", "pod", "add", "default/n1-new");
    expect(refused.stderr).toContain("the datastore is locked (datastoreReady: false)");
    const peer = await etcdctl("get", "--print-value-only", "/calico/resources/v3/projectcalico.org/bgppeers/r1");
    await etcdctl("del", "/calico/resources/v3/projectcalico.org/bgppeers/r1");
    await agents.lab.killNode("n1");
    await agents.lab.startNode("n1");
    await agents.settled();
    for (const node of agentNodes) expect(await agents.peers(node), node).toHaveLength(3);
    expect(await kernels()).toEqual(before);
    expect((await agents.run("n1", "calictl", "node", "status")).stdout).toContain("LOCKED");
    await setReady(true);
    for (const node of agentNodes)
      await vi.waitFor(async () => expect(await agents.peers(node), node).toHaveLength(2), patience);
    await etcdctl("put", "/calico/resources/v3/projectcalico.org/bgppeers/r1", peer.trim());
    await agents.settled();
    await expectNoLoss(pings);
    expect(await kernels()).toEqual(before);
  });
});
