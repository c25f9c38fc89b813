import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { AgentLab, type AgentNode, agentNodes, patience } from "./support/agent-lab.ts";
import { kernelPrefixes, RouteMonitor } from "./support/kernel-routes.ts";
import { PingStream } from "./support/ping-stream.ts";

let agents: AgentLab;

beforeAll(async () => {
  // Four addresses in a block, so that a node soon needs another one.
  agents = await AgentLab.start({ blockSize: 30 });
});
afterAll(() => agents?.down());
// A test that failed half-way must not take the next ones with it.
beforeEach(async () => {
  if (mainOfN1()?.state === "exited") await agents.lab.startNode("n1");
  await agents.settled();
});

/** Pings over every kind of path that begins or ends at the node that is restarted, and one that does neither. */
async function startPings(): Promise<PingStream[]> {
  const ping = async (node: AgentNode, pod: string, target: string) =>
    PingStream.start(agents, { node, pod }, target, 0.01);
  const address = (node: AgentNode, pod: string) => agents.addressOf(node, pod);
  return [
    await ping("n1", "n1-a", await address("n2", "n2-a")),
    await ping("n3", "n3-a", await address("n1", "n1-a")),
    await ping("n1", "n1-b", await address("n1", "n1-a")),
    await ping("n1", "n1-b", "172.31.0.1"),
    await ping("n2", "n2-b", await address("n3", "n3-b")),
  ];
}

async function expectNoLoss(streams: readonly PingStream[]): Promise<void> {
  for (const stream of streams) {
    const report = await stream.stop();
    expect(report, stream.label).toMatchObject({ lost: [], errors: [] });
    // An agent is back in half a second, in which a ping goes out every ten milliseconds.
    expect(report.sent, stream.label).toBeGreaterThan(10);
  }
}

async function allKernels(): Promise<Record<string, string[]>> {
  return Object.fromEntries(
    await Promise.all(agentNodes.map(async (node) => [node, await kernelPrefixes(agents, node)] as const)),
  );
}

/** Sessions with n1 as the other nodes see them. */
async function sessionsWithN1(): Promise<string[]> {
  const peers = await Promise.all([agents.peers("n2"), agents.peers("n3")]);
  return peers.flat().flatMap((peer) => (peer.address === "10.0.0.1" ? [peer.state] : []));
}

/** How the agent of n1 is. */
function mainOfN1() {
  return agents.lab.status().find(({ name }) => name === "n1")?.main;
}

/** The exit status of n1's agent, once it has ended. */
async function agentEnds(): Promise<number> {
  await vi.waitFor(() => expect(mainOfN1()?.state).toBe("exited"), patience);
  const ended = mainOfN1();
  return ended?.state === "exited" ? ended.code : Number.NaN;
}

describe.each([
  { signal: "SIGKILL", status: 137 },
  { signal: "SIGTERM", status: 0 },
] as const)("an agent that is ended by $signal and started again", ({ signal, status }) => {
  it("costs no packet and no route, and knows its pods afterwards", async () => {
    const blocks = await agents.blocks("n1");
    const before = { kernels: await allKernels(), pods: await agents.pods("n1") };
    expect(before.kernels.n1?.length).toBeGreaterThan(5);
    const monitors = await Promise.all(agentNodes.map((node) => RouteMonitor.start(agents, node)));
    const pings = await startPings();

    await agents.lab.killNode("n1", signal);
    expect(await agentEnds()).toBe(status);
    await vi.waitFor(async () => expect(await sessionsWithN1()).not.toContain("Established"), patience);
    expect(await allKernels()).toEqual(before.kernels);
    for (const node of ["n2", "n3"] as const)
      for (const block of blocks)
        await vi.waitFor(async () => expect((await agents.route(node, block))?.state).toBe("stale"), patience);

    await agents.lab.startNode("n1");
    await agents.settled();
    expect(await allKernels()).toEqual(before.kernels);
    expect(await agents.pods("n1")).toEqual(before.pods);
    await expectNoLoss(pings);
    expect((await Promise.all(monitors.map((monitor) => monitor.deletions()))).flat()).toEqual([]);
  });
});

describe("a cluster that changes while one agent is down", () => {
  const added: { node: AgentNode; name: string }[] = [];
  afterEach(async () => {
    for (const { node, name } of added.splice(0)) await agents.deletePod(node, name);
  });
  const add = async (node: AgentNode, name: string) => {
    const pod = await agents.addPod(node, name);
    added.push({ node, name });
    return pod;
  };

  it("is learned by it after its start, and what is gone is removed", async () => {
    const blocks = await agents.blocks("n2");
    await agents.lab.killNode("n1");
    for (const name of ["n2-c", "n2-d", "n2-e"]) await add("n2", name);
    const newBlock = (await agents.blocks("n2")).find((block) => !blocks.includes(block));
    expect(newBlock).toBeDefined();
    await agents.succeed("r1", "birdc", "-s", "/run/bird.ctl", "disable", "services");
    try {
      await vi.waitFor(async () => expect(await agents.route("n3", "172.31.0.0/24")).toBeUndefined(), patience);
      expect(await kernelPrefixes(agents, "n1")).toContain("172.31.0.0/24");
      expect(await kernelPrefixes(agents, "n1")).not.toContain(newBlock);

      await agents.lab.startNode("n1");
      await agents.settled();
      expect(await kernelPrefixes(agents, "n1")).not.toContain("172.31.0.0/24");
      expect(await kernelPrefixes(agents, "n1")).toContain(newBlock);
    } finally {
      await agents.succeed("r1", "birdc", "-s", "/run/bird.ctl", "enable", "services");
    }
    await vi.waitFor(async () => expect(await kernelPrefixes(agents, "n1")).toContain("172.31.0.0/24"), patience);
    expect(await agents.unreachable()).toEqual([]);
  });

  it("can have pods of before deleted and new ones added after its start", async () => {
    const addresses = await agents.allocatedAddresses();
    const old = await agents.addressOf("n1", "n1-a");
    await agents.lab.killNode("n1");
    await agents.lab.startNode("n1");
    await vi.waitFor(() => agents.deletePod("n1", "n1-a"), patience);
    expect(await kernelPrefixes(agents, "n1")).not.toContain(`${old}/32`);
    expect(await agents.allocatedAddresses()).not.toContain(old);
    await add("n1", "n1-c");
    const { addresses: again } = await agents.addPod("n1", "n1-a");
    expect(again).toHaveLength(1);
    expect(await agents.allocatedAddresses()).toHaveLength(addresses.length + 1);
    await agents.settled();
    expect(await agents.unreachable()).toEqual([]);
  });
});
