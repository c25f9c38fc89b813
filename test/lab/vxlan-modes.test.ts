import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { patience } from "./support/agent-lab.ts";
import { ByteStream } from "./support/byte-stream.ts";
import { followed } from "./support/mode-flips.ts";
import { SubnetLab } from "./support/subnet-lab.ts";
import {
  allBlockRoutes,
  expectedRoutes,
  isTunnelled,
  type Mode,
  type SubnetNode,
  subnetNodes,
  topologyNodes,
} from "./support/subnet-routes.ts";
import { WireCapture, type WirePacket } from "./support/wire-capture.ts";

/** Short, because a test waits for its end. */
const graceSec = 3;

let subnets: SubnetLab;

beforeAll(async () => {
  subnets = await SubnetLab.start({ flags: `--tunnel-grace ${graceSec}` });
});
afterAll(() => subnets?.down());

/** Changes the mode and waits until all nodes have followed. */
async function changeTo(mode: Mode): Promise<void> {
  expect(await subnets.setMode(mode)).toMatchObject({ code: 0, stderr: "" });
  await followed(subnets, mode);
}

describe.each(["Always", "CrossSubnet", "Never"] as const)("a pool whose vxlanMode is %s", (mode) => {
  beforeAll(() => changeTo(mode));

  it("has the right routes on every node, and all pods reach each other", async () => {
    await subnets.settled();
    expect(await allBlockRoutes(subnets)).toEqual(await expectedRoutes(subnets, mode));
    expect(await subnets.unreachable()).toEqual([]);
  });

  it("has its packets as VXLAN between the nodes' addresses where it shall, and plain everywhere else", async () => {
    const filter = "icmp or udp port 4789";
    const captures = await Promise.all(
      subnetNodes.map((node) => WireCapture.start(subnets.routerNamespace, node, filter)),
    );
    expect(await subnets.unreachable()).toEqual([]);
    for (const [index, node] of subnetNodes.entries()) {
      const packets = (await captures[index]?.stop())?.filter(({ text }) => text.startsWith("ICMP echo")) ?? [];
      const pairs = new Set(packets.map(({ source, destination }) => `${source} ${destination}`));
      // Two pods on this node with four elsewhere, both ways.
      expect(pairs.size, node).toBe(16);
      for (const packet of packets) expect(packet.outer, JSON.stringify(packet)).toEqual(outerOf(packet, mode));
    }
  });

  it("lets the largest packets through, and says to the sender of a larger one how large it may be", async () => {
    const { mtu, ping, forget } = probe("n1", "n3-a");
    // A kernel remembers for ten minutes what it was told of a path.
    await forget();
    const largest = isTunnelled("n1", "n3", mode) ? 1450 : 1500;
    expect(await ping(largest)).toContain(`${largest - 20} bytes from `);
    if (largest < 1500) {
      expect(await ping(largest + 1)).toContain(`From 10.10.1.11 icmp_seq=1 Frag needed and DF set (mtu = ${largest})`);
      expect(await mtu()).toBe(largest);
    }
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
  if (!destination.startsWith("10.244.") || !isTunnelled(from, to, mode)) return undefined;
  return { source: topologyNodes[from].address, destination: topologyNodes[to].address, port: 4789, vni: 4096 };
}

function nodeOf(address: string): SubnetNode {
  const node = subnetNodes.find((name) => ["a", "b"].some((pod) => subnets.addressOf(`${name}-${pod}`) === address));
  if (node === undefined) throw new TypeError(`${address} is of no pod`);
  return node;
}

/** Packets from a node's pod to another pod that must not be fragmented. */
function probe(node: SubnetNode, target: string) {
  const inPod = ["ip", "netns", "exec", `${node}-a`];
  const address = subnets.addressOf(target);
  return {
    /** What ping says of one packet of this many octets, headers included. */
    async ping(octets: number): Promise<string> {
      const size = ["-M", "do", "-s", String(octets - 28)];
      return (await subnets.run(node, ...inPod, "ping", "-n", "-c", "1", "-W", "2", ...size, address)).stdout;
    },
    async forget(): Promise<void> {
      await subnets.succeed(node, ...inPod, "ip", "route", "flush", "cache");
    },
    /** What the pod's kernel has learned. */
    async mtu(): Promise<number> {
      const [, mtu] = /\bmtu (\d+)/.exec(await subnets.succeed(node, ...inPod, "ip", "route", "get", address)) ?? [];
      return Number(mtu);
    },
  };
}

/** The text of a command that a user gives, split at spaces. */
/** The pools themselves: the revision of the list grows with every write of anybody. */
const storedPools = async () =>
  JSON.parse(await subnets.succeed("n1", "calictl", "get", "ippool", "-o", "json")).items as unknown;

const calictl = (line: string) => subnets.run("n1", "calictl", ...line.split(" "));

/** Every route to another node's block, in the words of a prediction, by node and block. */
async function ways(): Promise<Map<string, string>> {
  const routes = await allBlockRoutes(subnets);
  return new Map(
    subnetNodes.flatMap((node) =>
      routes[node].map(({ prefix, device }) => {
        const { address } = topologyNodes[subnets.owners().get(prefix) ?? node];
        const way = device === "eth1" ? `direct to ${address}` : `vxlan to ${address}`;
        return [`${node} ${prefix}`, way] as const;
      }),
    ),
  );
}

describe("calictl pool set-mode", () => {
  it.each([
    ["Never", "CrossSubnet", 4],
    ["CrossSubnet", "Always", 2],
    ["Always", "Never", 6],
  ] as const)(
    "changes with a dry run nothing, and afterwards just the routes that it foretold: %s to %s",
    async (before, after, count) => {
      await changeTo(before);
      const waysBefore = await ways();
      const storedBefore = await storedPools();
      const { differences, changed } = await subnets.predict(after);
      const text = (await subnets.setMode(after, "--dry-run")).stdout;
      expect({ changed, stored: await storedPools(), ways: await ways() }).toEqual({
        changed: false,
        stored: storedBefore,
        ways: waysBefore,
      });

      await changeTo(after);
      const waysAfter = await ways();
      const happened = [...waysBefore].flatMap(([key, way]) => {
        const now = waysAfter.get(key) ?? "none";
        return way === now ? [] : [`${key}: ${way} -> ${now}`];
      });
      const foretold = differences.map((one) => `${one.node} ${one.block}: ${one.before} -> ${one.after}`);
      expect(foretold.sort()).toEqual(happened.sort());
      expect(happened).toHaveLength(count);
      for (const { node, block, owner, before: now, after: then } of differences)
        expect(text).toMatch(new RegExp(`^${node} +${block} +${owner} +${now} +${then} *$`, "m"));
      expect(text).toContain(`dry run: nothing was changed; it would change ${count} routes`);
    },
  );

  it("says so if the pool is so already", async () => {
    await changeTo("CrossSubnet");
    expect(await subnets.setMode("CrossSubnet")).toMatchObject({
      code: 0,
      stdout:
        "IPPool pods: ipipMode Never, vxlanMode CrossSubnet  ->  ipipMode Never, vxlanMode CrossSubnet\n" +
        "no route changes\nIPPool pods is so already\n",
    });
  });

  it.each([
    ["pool set-mode pods Sometimes", 2, 'the mode "Sometimes" must be one of Never, Always, CrossSubnet'],
    ["pool set-mode pods Never --tunnel gre", 2, '--tunnel "gre" must be one of ipip, vxlan'],
    ["pool set-mode pods", 2, "missing required argument 'mode'"],
    ["pool set-mode nothing Always", 1, "nothing"],
  ])("refuses what cannot be, and says what is right: %s", async (line, status, says) => {
    const before = await storedPools();
    const { code, stdout, stderr } = await calictl(line);
    expect({ code, stdout }).toEqual({ code: status, stdout: "" });
    expect(stderr).toContain(says);
    expect(await storedPools()).toEqual(before);
  });

  it("refuses IPIP for an IPv6 pool, with a dry run as well, and gives the reason", async () => {
    await subnets.apply("IPPool", "six", { cidr: "fd00:10:244::/112", blockSize: 122 });
    for (const flags of [" --dry-run", ""]) {
      const { code, stderr } = await calictl(`pool set-mode six Always --tunnel ipip${flags}`);
      expect(code).toBe(1);
      expect(stderr).toContain("IPv6");
      expect(stderr).toMatch(/ipip/i);
    }
    expect(await calictl("delete ippool six")).toMatchObject({ code: 0 });
  });
});

describe("the address of a node's VXLAN device", () => {
  /** Addresses by handle, of all tunnels of the cluster. */
  const held = async (): Promise<Map<string, string>> =>
    new Map(
      [...(await subnets.allocations())].flatMap(([address, handle]) =>
        handle.includes("tunnel-addr") ? [[handle, address] as const] : [],
      ),
    );
  const inNodes = () =>
    Promise.all(subnetNodes.map(async (node) => (await subnets.nodeSpec(node)).ipv4VXLANTunnelAddr));
  const device = async (node: SubnetNode) => (await subnets.run(node, "ip", "address", "show", "vxlan.calico")).stdout;

  it("is held in IPAM under the node's handle, stands in its Node and on its device, and outlives a restart", async () => {
    await changeTo("Always");
    const addresses = await inNodes();
    const expected = new Map(subnetNodes.map((node, index) => [`vxlan-tunnel-addr-${node}`, addresses[index] ?? ""]));
    expect(await held()).toEqual(expected);
    for (const [index, node] of subnetNodes.entries())
      expect(await device(node)).toContain(`inet ${addresses[index]}/32 `);
    await subnets.lab.killNode("n1");
    await subnets.lab.startNode("n1");
    await subnets.settled();
    expect(await held()).toEqual(expected);
  });

  it("goes with the device when no pool has wanted it for a while, also from a node whose agent was away", async () => {
    await changeTo("Always");
    await subnets.lab.killNode("n3");
    expect(await subnets.setMode("Never")).toMatchObject({ code: 0 });
    await vi.waitFor(async () => expect((await inNodes()).slice(0, 2)).toEqual([undefined, undefined]), patience);
    // What others may still send to it has to arrive.
    expect((await held()).size).toBe(3);
    expect(await device("n1")).toContain("vxlan.calico");
    await subnets.lab.startNode("n3");
    await followed(subnets, "Never");
    await vi.waitFor(async () => expect(await held()).toEqual(new Map()), patience);
    await vi.waitFor(async () => expect(await Promise.all(subnetNodes.map(device))).toEqual(["", "", ""]), patience);
    expect(await inNodes()).toEqual([undefined, undefined, undefined]);
    await subnets.settled();
  });
});
