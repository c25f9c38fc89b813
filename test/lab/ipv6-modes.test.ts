import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { patience } from "./support/agent-lab.ts";
import { ByteStream } from "./support/byte-stream.ts";
import { changeTo, changeWithLate, followed, followedBy, tour, trafficSummary } from "./support/mode-flips.ts";
import { PingStream } from "./support/ping-stream.ts";
import { SubnetLab } from "./support/subnet-lab.ts";
import {
  allBlockRoutes,
  beginningOf,
  blockRoutes,
  expectedRoutes,
  isTunnelled,
  type Mode,
  nodesOf,
  type SubnetNode,
  subnetNodes,
} from "./support/subnet-routes.ts";
import { Traffic } from "./support/traffic.ts";
import { WireCapture, type WirePacket } from "./support/wire-capture.ts";

/** Longer than an agent takes to come back, and short, because a test waits for its end. */
const graceSec = 15;

let subnets: SubnetLab;
/** Of the current test; ended after it in any case. */
let traffic: Traffic | undefined;

beforeAll(async () => {
  subnets = await SubnetLab.start({ family: 6, flags: `--tunnel-grace ${graceSec}` });
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

describe.each(["Always", "CrossSubnet", "Never"] as const)("an IPv6 pool whose vxlanMode is %s", (mode) => {
  beforeAll(() => changeTo(subnets, mode));

  it("has the right routes on every node, and all pods reach each other by both families", async () => {
    expect(await allBlockRoutes(subnets)).toEqual(await expectedRoutes(subnets, mode));
    expect(await subnets.unreachable(6)).toEqual([]);
    expect(await subnets.unreachable(4)).toEqual([]);
  });

  it("has its packets as VXLAN between the nodes' IPv6 addresses where it shall, and plain everywhere else", async () => {
    const filter = "icmp6 or udp port 4789";
    const captures = await Promise.all(
      subnetNodes.map((node) => WireCapture.start(subnets.routerNamespace, node, filter)),
    );
    expect(await subnets.unreachable()).toEqual([]);
    for (const [index, node] of subnetNodes.entries()) {
      const packets = (await captures[index]?.stop())?.filter(({ text }) => text.startsWith("ICMP6, echo")) ?? [];
      const pairs = new Set(packets.map(({ source, destination }) => `${source} ${destination}`));
      // Two pods on this node with four elsewhere, both ways.
      expect(pairs.size, node).toBe(16);
      for (const packet of packets) expect(packet.outer, JSON.stringify(packet)).toEqual(outerOf(packet, mode));
    }
  });

  it("lets the largest packets through, and says to the sender of a larger one how large it may be", async () => {
    const largest = isTunnelled("n1", "n3", mode) ? 1430 : 1500;
    const inPod = ["ip", "netns", "exec", "n1-a"];
    const ping = async (octets: number) => {
      const size = ["-M", "do", "-s", String(octets - 48)];
      const target = subnets.addressOf("n3-a");
      return (await subnets.run("n1", ...inPod, "ping", "-n", "-c", "1", "-W", "2", ...size, target)).stdout;
    };
    // A kernel remembers for ten minutes what it was told of a path.
    await subnets.succeed("n1", ...inPod, "ip", "-6", "route", "flush", "cache");
    expect(await ping(largest)).toContain(`${largest - 40} bytes from `);
    if (largest < 1500) expect(await ping(largest + 1)).toContain(`Packet too big: mtu=${largest}`);
  });

  it("lets a TCP stream of full segments through in both directions", async () => {
    const to = { node: "n3", pod: "n3-a", address: subnets.addressOf("n3-a") };
    const stream = await ByteStream.start(subnets, { node: "n1", pod: "n1-a" }, to);
    await expect.poll(() => stream.received(), patience).toBeGreaterThan(500_000);
    const [near, far] = await stream.stop();
    expect([near, far]).toMatchObject([
      { received: far.sent, wrong: null, error: null },
      { received: near.sent, wrong: null, error: null },
    ]);
  });
});

/** What VXLAN has to wrap a packet between pods in, if anything: only the pool of the destination matters. */
function outerOf({ source, destination }: WirePacket, mode: Mode): WirePacket["outer"] {
  const [from, to] = [nodeOf(source), nodeOf(destination)];
  if (!destination.startsWith(beginningOf(subnets.pools.pods)) || !isTunnelled(from, to, mode)) return undefined;
  return { source: nodesOf(6)[from].address, destination: nodesOf(6)[to].address, port: 4789, vni: 4096 };
}

function nodeOf(address: string): SubnetNode {
  const node = subnetNodes.find((name) => ["a", "b"].some((pod) => subnets.addressOf(`${name}-${pod}`) === address));
  if (node === undefined) throw new TypeError(`${address} is of no pod`);
  return node;
}

describe("all changes of an IPv6 pool, with pings each 2 ms and TCP, lose nothing", () => {
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

  it("while an IPv4 pool is in another mode and changes as well", async ({ annotate }) => {
    const flows = await startTraffic();
    const pings = await Promise.all(
      (["n1", "n2"] as const).map((node) => {
        const target = subnets.addressOf("n3-a", 4);
        return PingStream.start(subnets, { node, pod: `${node}-a` }, target, 0.002);
      }),
    );
    const ipv4Devices = async () => new Set((await blockRoutes(subnets, "n3", 4)).map(({ device }) => device));
    for (const [ipv4Mode, mode] of [
      ["Always", "CrossSubnet"],
      ["CrossSubnet", "Always"],
      ["Never", "Always"],
      ["Always", "Never"],
      ["Never", "Never"],
    ] as const) {
      await subnets.applyIpv4Pool("pods", { vxlanMode: ipv4Mode });
      await changeTo(subnets, mode);
      const devices = ipv4Mode === "Never" ? ["eth1"] : ["eth1", "vxlan.calico"];
      await vi.waitFor(async () => expect([...(await ipv4Devices())].sort()).toEqual(devices), patience);
    }
    const reports = await Promise.all(pings.map((ping) => ping.stop()));
    for (const { lost, errors } of reports) expect({ lost, errors }).toEqual({ lost: [], errors: [] });
    await annotate(trafficSummary(await flows.endsWhole()));
  });

  it("when a node's agent is killed before the change and comes back after it", async ({ annotate }) => {
    for (const mode of ["Always", "Never"] as const) {
      const flows = await startTraffic();
      await subnets.lab.killNode("n3");
      await subnets.setModeAt("n1", mode);
      await followedBy(subnets, ["n1", "n2"], mode);
      await flows.goesOn(20);
      await subnets.lab.startNode("n3");
      await followed(subnets, mode);
      await subnets.settled();
      await annotate(trafficSummary(await flows.endsWhole()));
    }
  });
});

describe("a node in mode Always", () => {
  it("goes on forwarding while its agent is killed and started again", async ({ annotate }) => {
    await changeTo(subnets, "Always");
    const flows = await startTraffic();
    for (const node of ["n1", "n3"] as const) {
      await subnets.lab.killNode(node);
      await flows.goesOn(20);
      await subnets.lab.startNode(node);
      await subnets.settled();
    }
    await followed(subnets, "Always");
    await annotate(trafficSummary(await flows.endsWhole()));
  });

  it("has routes, entries and sessions again after its link was down, which takes its IPv6 addresses away", async () => {
    await changeTo(subnets, "Always");
    await subnets.succeed("n3", "ip", "link", "set", "eth1", "down");
    await vi.waitFor(
      async () => expect(JSON.stringify(await allBlockRoutes(subnets))).not.toContain("fd00:10:2::1"),
      patience,
    );
    await subnets.succeed("n3", "ip", "link", "set", "eth1", "up");
    // What has configured the link does this again, too.
    const { address, gateway } = nodesOf(6).n3;
    await subnets.succeed("n3", "ip", "address", "add", `${address}/64`, "dev", "eth1");
    await subnets.succeed("n3", "ip", "route", "add", "default", "via", nodesOf(4).n3.gateway);
    await subnets.succeed("n3", "ip", "route", "add", "default", "via", gateway);
    await subnets.settled();
    await followed(subnets, "Always");
    expect(await subnets.unreachable(6)).toEqual([]);
    expect(await subnets.unreachable(4)).toEqual([]);
  });
});

describe("calictl pool set-mode of an IPv6 pool", () => {
  it("goes for VXLAN by itself, and foretells just what happens", async () => {
    const routes = async () =>
      (await Promise.all(subnetNodes.map((node) => blockRoutes(subnets, node)))).map((of) =>
        of.map(({ prefix, device }) => `${prefix} ${device}`),
      );
    await changeTo(subnets, "Never");
    const before = await routes();
    const setMode = (...flags: string[]) =>
      subnets.succeed("n1", "calictl", "pool", "set-mode", "pods", "CrossSubnet", ...flags);
    const text = await setMode("--dry-run");
    expect(await routes()).toEqual(before);
    expect(text).toContain("IPPool pods: ipipMode Never, vxlanMode Never  ->  ipipMode Never, vxlanMode CrossSubnet\n");
    const block = [...subnets.owners()].find(
      ([prefix, owner]) => owner === "n3" && prefix.startsWith(beginningOf(subnets.pools.pods)),
    )?.[0];
    expect(text).toMatch(new RegExp(`^n1 +${block} +n3 +direct to fd00:10:2::13 +vxlan to fd00:10:2::13 *$`, "m"));
    expect(text).toContain("it would change 4 routes on 3 nodes");
    await setMode();
    await followed(subnets, "CrossSubnet");
    const changed = (await routes()).flatMap((of, index) => of.filter((route) => !before[index]?.includes(route)));
    expect(changed).toHaveLength(4);
    expect(changed.every((route) => route.endsWith(" vxlan-v6.calico"))).toBe(true);
    const { stdout } = await subnets.run("n1", "calictl", "routes", "explain", subnets.addressOf("n3-a"));
    expect(stdout).toMatch(/encapsulation +VXLAN to fe80::\S+ by vxlan-v6\.calico, packets of up to 1430 octets\n/);
    const near = await subnets.run("n1", "calictl", "routes", "explain", subnets.addressOf("n2-a"));
    expect(near.stdout).toMatch(/encapsulation +none: plain packets \(VXLAN CrossSubnet\): learned from /);
  });
});

describe("a node's IPv6 VXLAN device", () => {
  const say = async (...argv: string[]) =>
    (await subnets.run("n1", ...argv)).stdout
      .split("\n")
      .map((line) => line.trim())
      .sort();
  const kernel = async () => ({
    address: /inet6 \S+ scope global/.exec((await say("ip", "address", "show", "vxlan-v6.calico")).join("\n"))?.[0],
    neighbours: await say("ip", "-6", "neighbour", "show", "dev", "vxlan-v6.calico", "nud", "permanent"),
    forwarding: await say("bridge", "fdb", "show", "dev", "vxlan-v6.calico"),
  });

  it("has the address and MAC address that its Node tells, and IPAM holds it under the node's handle", async () => {
    await changeTo(subnets, "Always");
    for (const node of subnetNodes) {
      const { ipv6VXLANTunnelAddr: address = "", vxlanTunnelMACAddrV6: macAddress = "" } = await subnets.nodeSpec(node);
      const shown = await subnets.succeed(node, "ip", "-d", "address", "show", "vxlan-v6.calico");
      expect(shown).toContain(`inet6 ${address}/128 `);
      expect(shown).toContain(`link/ether ${macAddress} `);
      expect(shown).toMatch(
        / mtu 1430 (.|\n)* vxlan id 4096 local fd00:10:\d::\d+ dev eth1 (.|\n)* dstport 4789 nolearning /,
      );
      expect((await subnets.allocations()).get(address)).toBe(`vxlan-v6-tunnel-addr-${node}`);
    }
  });

  it("gives the host's own packets its address, also those that come with the node's", async () => {
    await changeTo(subnets, "Always");
    const vtep = (await subnets.nodeSpec("n1")).ipv6VXLANTunnelAddr;
    const table = () => say("nft", "list", "table", "ip6", "calibird");
    await vi.waitFor(async () => expect((await table()).join()).toContain("vxlan-v6.calico"), patience);
    for (const source of [[], ["-I", nodesOf(6).n1.address]]) {
      const capture = await WireCapture.start(subnets.routerNamespace, "n1", "udp port 4789");
      await subnets.succeed("n1", "ping", "-n", "-c", "1", "-W", "2", ...source, subnets.addressOf("n3-a"));
      const requests = (await capture.stop()).filter(({ text }) => text.startsWith("ICMP6, echo request"));
      expect(requests).toMatchObject([{ source: vtep, destination: subnets.addressOf("n3-a") }]);
    }
  });

  it.for([
    ["a gateway's neighbour", "fe80"],
    ["a VTEP's neighbour", "fd00"],
  ] as const)("gets back what somebody deletes: %s", async ([, beginning]) => {
    await changeTo(subnets, "Always");
    const before = await kernel();
    const [address = ""] = before.neighbours.find((line) => line.startsWith(beginning))?.split(" ") ?? [];
    await subnets.succeed("n1", "ip", "-6", "neighbour", "del", address, "dev", "vxlan-v6.calico");
    await vi.waitFor(async () => expect(await kernel()).toEqual(before), patience);
  });

  it("comes back whole, with its routes, when somebody deletes it", async () => {
    await changeTo(subnets, "Always");
    const before = await kernel();
    await subnets.succeed("n1", "ip", "link", "del", "vxlan-v6.calico");
    await vi.waitFor(async () => expect(await kernel()).toEqual(before), patience);
    await followed(subnets, "Always");
    expect(await subnets.unreachable()).toEqual([]);
  });

  it("goes with its address when no pool has wanted it for a while, and the IPv4 one stays", async () => {
    await subnets.applyIpv4Pool("pods", { vxlanMode: "Always" });
    await changeTo(subnets, "Always");
    await vi.waitFor(async () => expect((await subnets.nodeSpec("n1")).ipv4VXLANTunnelAddr).toBeDefined(), patience);
    await changeTo(subnets, "Never");
    const devices = async () =>
      (await say("ip", "-br", "link", "show", "type", "vxlan")).flatMap((line) => line.split(" ")[0] || []);
    await vi.waitFor(async () => expect(await devices()).toEqual(["vxlan.calico"]), patience);
    const spec = await subnets.nodeSpec("n1");
    expect(spec).toMatchObject({ ipv4VXLANTunnelAddr: expect.any(String), vxlanTunnelMACAddr: expect.any(String) });
    expect(spec).not.toHaveProperty("ipv6VXLANTunnelAddr");
    expect(spec).not.toHaveProperty("vxlanTunnelMACAddrV6");
    await vi.waitFor(async () => {
      const handles = [...(await subnets.allocations()).values()];
      expect(handles.filter((handle) => handle.startsWith("vxlan-v6-"))).toEqual([]);
    }, patience);
    await subnets.applyIpv4Pool("pods");
  });
});
