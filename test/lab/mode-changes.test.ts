import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { patience } from "./support/agent-lab.ts";
import { changeTo, changeWithLate, followed, followedBy, tour, trafficSummary } from "./support/mode-flips.ts";
import { SubnetLab } from "./support/subnet-lab.ts";
import { allBlockRoutes, type SubnetNode, subnetNodes, topologyNodes } from "./support/subnet-routes.ts";
import { Traffic } from "./support/traffic.ts";

let subnets: SubnetLab;
/** Of the current test; ended after it in any case. */
let traffic: Traffic | undefined;

beforeAll(async () => {
  subnets = await SubnetLab.start();
});
afterAll(() => subnets?.down());
// A test that failed half-way must not take the next ones with it.
beforeEach(async () => {
  for (const { name, main } of subnets.lab.status())
    if (main.state === "exited" && name !== "r1") await subnets.lab.startNode(name);
  await subnets.settled();
});
afterEach(async () => {
  await traffic?.abandon();
  traffic = undefined;
});

async function startTraffic(): Promise<Traffic> {
  traffic = await Traffic.start(subnets);
  return traffic;
}

describe("all changes between Never, CrossSubnet and Always, with pings each 2 ms and TCP, lose nothing", () => {
  it("when all nodes follow at once", async ({ annotate }) => {
    const flows = await startTraffic();
    for (const mode of tour) await changeTo(subnets, mode);
    await annotate(trafficSummary(await flows.endsWhole()));
  });

  it("when one node follows last, another one each time", async ({ annotate }) => {
    const flows = await startTraffic();
    for (const [turn, mode] of tour.entries())
      await changeWithLate(subnets, [subnetNodes[turn % 3] ?? "n1"], mode, flows);
    await annotate(trafficSummary(await flows.endsWhole()));
  });

  it("when one node follows first, another one each time", async ({ annotate }) => {
    const flows = await startTraffic();
    for (const [turn, mode] of tour.entries()) {
      const first = subnetNodes[(turn + 1) % 3];
      await changeWithLate(
        subnets,
        subnetNodes.filter((node) => node !== first),
        mode,
        flows,
      );
    }
    await annotate(trafficSummary(await flows.endsWhole()));
  });

  it("when a pod comes to a node meanwhile, which is reached from the start", async ({ annotate }) => {
    const flows = await startTraffic();
    for (const mode of ["Always", "Never"] as const) {
      const [address] = await Promise.all([subnets.addPod("n2", "n2-c"), subnets.setModeAt("n1", mode)]);
      expect(address).toContain("10.244.");
      expect(await subnets.unreachable()).toEqual([]);
      await followed(subnets, mode);
      expect(await subnets.unreachable()).toEqual([]);
      await subnets.deletePod("n2", "n2-c");
    }
    await annotate(trafficSummary(await flows.endsWhole()));
  });
});

describe("an agent", () => {
  it.for([
    { node: "n3", mode: "Always" },
    { node: "n1", mode: "Never" },
  ] as const)(
    "that was down during a change comes back right, and nothing is lost: $node, to $mode",
    async ({ node, mode }, { annotate }) => {
      const flows = await startTraffic();
      await subnets.lab.killNode(node);
      const others = subnetNodes.filter((other) => other !== node);
      await subnets.setModeAt(others[0] ?? "n1", mode);
      await followedBy(subnets, others, mode);
      await flows.goesOn(20);
      await subnets.lab.startNode(node);
      await followed(subnets, mode);
      await subnets.settled();
      await annotate(trafficSummary(await flows.endsWhole()));
    },
  );

  it("that is killed in the middle of a change comes back right, and nothing is lost", async ({ annotate }) => {
    const flows = await startTraffic();
    for (const [turn, mode] of (["Always", "CrossSubnet", "Never"] as const).entries()) {
      const node = subnetNodes[turn % 3] ?? "n1";
      await subnets.setModeAt(subnetNodes.find((other) => other !== node) ?? "n1", mode);
      await subnets.lab.killNode(node);
      await subnets.lab.startNode(node);
      await followed(subnets, mode);
    }
    await subnets.settled();
    await annotate(trafficSummary(await flows.endsWhole()));
  });
});

/** Everything of a node that VXLAN needs, as the kernel tells it. */
async function state(node: SubnetNode): Promise<unknown> {
  const say = (...argv: string[]) => subnets.succeed(node, ...argv);
  const lines = (text: string) =>
    text
      .trim()
      .split("\n")
      .map((line) => line.trim())
      .sort();
  return {
    routes: (await allBlockRoutes(subnets))[node],
    address: /inet \S+/.exec(await say("ip", "address", "show", "vxlan.calico"))?.[0],
    neighbours: lines(await say("ip", "neighbour", "show", "dev", "vxlan.calico", "nud", "permanent")),
    forwarding: lines(await say("bridge", "fdb", "show", "dev", "vxlan.calico")),
  };
}

/** A second is promised; the rest is for a busy machine. */
const soon = { timeout: 5_000, interval: 20 };

describe("a node in mode Always", () => {
  beforeAll(() => changeTo(subnets, "Always"));

  const vtep = async () => (await subnets.nodeSpec("n2")).ipv4VXLANTunnelAddr ?? "";
  const macAddress = async () => (await subnets.nodeSpec("n2")).vxlanTunnelMACAddr ?? "";
  it.for([
    ["the device", async () => ["ip", "link", "del", "vxlan.calico"]],
    ["the device's address", async () => ["ip", "address", "flush", "dev", "vxlan.calico"]],
    ["a forwarding entry", async () => ["bridge", "fdb", "del", await macAddress(), "dev", "vxlan.calico"]],
    ["a neighbour", async () => ["ip", "neighbour", "del", await vtep(), "dev", "vxlan.calico"]],
    ["the way up", async () => ["ip", "link", "set", "vxlan.calico", "down"]],
  ] as const)("gets back what somebody deletes: %s", async ([, command]) => {
    const before = await state("n1");
    await subnets.succeed("n1", ...(await command()));
    await vi.waitFor(async () => expect(await state("n1")).toEqual(before), soon);
    expect(await subnets.unreachable()).toEqual([]);
  });

  it("waits with a route that somebody deletes again and again, says so, and has it back afterwards", async () => {
    const before = await state("n1");
    const route = (await allBlockRoutes(subnets)).n1.find(({ device }) => device === "vxlan.calico");
    const prefix = route?.prefix ?? "";
    const script = `end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do ip route del ${prefix} proto 202; done 2>&-`;
    const vandal = subnets.run("n1", "sh", "-c", script);
    await vi.waitFor(async () => {
      const shown = (await subnets.routes("n1")).find((one) => one.prefix === prefix);
      expect(shown).toMatchObject({ state: "pending", reason: expect.stringContaining("another program") });
    }, soon);
    expect((await subnets.status("n1")).node.problems.join()).toContain(`fights over 1 route, first ${prefix}`);
    await vandal;
    await vi.waitFor(async () => expect(await state("n1")).toEqual(before), patience);
    await subnets.settled();
  });

  it("has routes, entries and sessions again after its link was down", async () => {
    const before = await state("n3");
    await subnets.succeed("n3", "ip", "link", "set", "eth1", "down");
    await vi.waitFor(async () => expect(JSON.stringify(await state("n3"))).not.toContain("eth1"), soon);
    await subnets.succeed("n3", "ip", "link", "set", "eth1", "up");
    // What has configured the link does this again, too.
    await subnets.succeed("n3", "ip", "route", "add", "default", "via", topologyNodes.n3.gateway);
    await vi.waitFor(async () => expect(await state("n3")).toEqual(before), patience);
    await subnets.settled();
    expect(await subnets.unreachable()).toEqual([]);
  });

  it("has its routes back when the pool was deleted and comes again", async () => {
    const before = await Promise.all(subnetNodes.map(state));
    await subnets.succeed("n1", "calictl", "delete", "ippool", "pods");
    const tunnelled = async () => JSON.stringify((await allBlockRoutes(subnets)).n1).includes("vxlan.calico");
    await vi.waitFor(async () => expect(await tunnelled()).toBe(false), patience);
    await subnets.applyPool("pods", { vxlanMode: "Always" });
    await vi.waitFor(async () => expect(await Promise.all(subnetNodes.map(state))).toEqual(before), patience);
    await subnets.settled();
    expect(await subnets.unreachable()).toEqual([]);
  });
});
