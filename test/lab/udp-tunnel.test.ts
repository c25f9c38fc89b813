import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import type { TunnelMode } from "../../src/fib/types.ts";
import { patience } from "./support/agent-lab.ts";
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
import { Traffic } from "./support/traffic.ts";
import { WireCapture } from "./support/wire-capture.ts";

let subnets: SubnetLab;
let traffic: Traffic | undefined;

beforeAll(async () => {
  subnets = await SubnetLab.start();
});
afterAll(() => subnets?.down());
afterEach(async () => {
  await traffic?.abandon();
  traffic = undefined;
});

async function followed(mode: Mode, tunnel: TunnelMode): Promise<void> {
  await vi.waitFor(
    async () => expect(await allBlockRoutes(subnets)).toEqual(await expectedRoutes(subnets, mode, "n1", tunnel)),
    patience,
  );
}

async function changeTo(mode: Mode, tunnel: TunnelMode = "udp"): Promise<void> {
  await subnets.setModeAt("n1", mode, tunnel);
  await followed(mode, tunnel);
}

describe.each(["Always", "CrossSubnet"] as const)("a pool whose packets are carried in UDP, mode %s", (mode) => {
  beforeAll(async () => {
    await changeTo(mode);
    await subnets.settled();
  });

  it("has its packets in UDP between the nodes' addresses where it shall, and plain everywhere else", async () => {
    const captures = await Promise.all(
      subnetNodes.map((node) => WireCapture.start(subnets.routerNamespace, node, "icmp or udp port 8285")),
    );
    expect(await subnets.unreachable()).toEqual([]);
    for (const [index, node] of subnetNodes.entries()) {
      const seen = (await captures[index]?.stop()) ?? [];
      const pairs = seen.map(({ source, destination }) => `${source} > ${destination}`);
      for (const other of subnetNodes.filter((each) => each !== node)) {
        const outer = (from: SubnetNode, to: SubnetNode) =>
          `${topologyNodes[from].address}.8285 > ${topologyNodes[to].address}.8285`;
        const inner = `${subnets.addressOf(`${node}-a`)} > ${subnets.addressOf(`${other}-a`)}`;
        const [wanted, unwanted] = isTunnelled(node, other, mode)
          ? [outer(node, other), inner]
          : [inner, outer(node, other)];
        expect(pairs, node).toContain(wanted);
        expect(pairs, node).not.toContain(unwanted);
      }
    }
  });

  it("lets packets of full size through, and says to the sender of a larger one how large it may be", async () => {
    const largest = isTunnelled("n1", "n3", mode) ? 1472 : 1500;
    const ping = async (octets: number) => {
      const argv = ["-n", "-c", "1", "-W", "2", "-M", "do", "-s", String(octets - 28), subnets.addressOf("n3-a")];
      return (await subnets.run("n1", "ip", "netns", "exec", "n1-a", "ping", ...argv)).stdout;
    };
    await subnets.succeed("n1", "ip", "netns", "exec", "n1-a", "ip", "route", "flush", "cache");
    expect(await ping(largest)).toContain(`${largest - 20} bytes from `);
    expect(await ping(largest + 1)).toContain(`Frag needed and DF set (mtu = ${largest})`);
  });
});

it("says in the status, in the routes and in an explanation that packets go in UDP", async () => {
  await changeTo("Always");
  await subnets.settled();
  expect(await subnets.unreachable()).toEqual([]);
  const { node, peers } = await subnets.status("n1");
  expect(peers).not.toEqual([]);
  expect(node.udp).toMatchObject({ device: "udp.calibird", port: 8285 });
  expect(node.udp?.packets.sent).toBeGreaterThan(0);
  expect(node.problems).toEqual([]);
  expect(await subnets.succeed("n1", "calictl", "node", "status")).toMatch(
    /^UDP tunnel +udp\.calibird, port 8285 +sent \d+, received \d+/m,
  );
  const route = (await subnets.routes("n1")).find(({ mode }) => mode === "udp");
  expect(route).toMatchObject({ kind: "remote-block", device: "udp.calibird", state: "installed" });
  expect(await subnets.succeed("n1", "calictl", "routes", "explain", subnets.addressOf("n3-a"))).toContain(
    "UDP Always",
  );
  expect((await subnets.setMode("Never", "--dry-run", "--tunnel", "udp")).stdout).toMatch(
    /^n1 .* udp to 10\.10\.2\.13 +direct to 10\.10\.2\.13 *$/m,
  );
});

it("loses no packet, with pings each 2 ms and TCP, when a pool goes to UDP from anything else, and back", async ({
  annotate,
}) => {
  await changeTo("Never");
  traffic = await Traffic.start(subnets);
  for (const [mode, tunnel] of [
    ["Always", "udp"],
    ["CrossSubnet", "udp"],
    ["Always", "udp"],
    ["Always", "vxlan"],
    ["Always", "udp"],
    ["Always", "ipip"],
    ["CrossSubnet", "udp"],
    ["CrossSubnet", "ipip"],
    ["Always", "udp"],
    ["Never", "udp"],
  ] as const)
    await changeTo(mode, tunnel);
  const { pings, octets } = await traffic.endsWhole();
  await annotate(`0 of ${pings} pings lost; ${octets} octets by TCP`);
});

it("keeps the way to a node that uses another port, and says so", async () => {
  await changeTo("Never");
  const { metadata, ...node } = await subnets
    .client("n1")
    .admin<{ metadata: object; spec: object }>("GET", "/v1/resources/node/n3");
  expect(node.spec).toBeDefined();
  const stopped = "n3" as const;
  await subnets.lab.killNode(stopped, "SIGSTOP");
  try {
    const annotations = { "calibird.io/udp-tunnel": "10.244.9.9:9999" };
    const changed = {
      apiVersion: "projectcalico.org/v3",
      kind: "Node",
      ...node,
      metadata: { ...metadata, annotations },
    };
    await subnets.client("n1").admin("PUT", "/v1/resources", changed);
    await subnets.setModeAt("n1", "Always", "udp");
    await vi.waitFor(async () => {
      const reasons = (await subnets.routes("n1")).filter(
        ({ node: owner, kind }) => owner === "n3" && kind === "remote-block",
      );
      expect(reasons.map(({ mode, state, reason }) => [mode, state, reason])).toContainEqual([
        "direct",
        "installed",
        expect.stringContaining("still direct: node n3 takes packets on UDP port 9999, and this node sends to 8285"),
      ]);
    }, patience);
  } finally {
    await subnets.lab.killNode(stopped, "SIGCONT");
  }
  await followed("Always", "udp");
});

describe("the MTU of a tunnel", () => {
  /** Of the link between a node and the router, both ends. */
  const setLink = async (node: SubnetNode, mtu: number) => {
    await subnets.succeed("r1", "ip", "link", "set", node, "mtu", String(mtu));
    await subnets.succeed(node, "ip", "link", "set", "eth1", "mtu", String(mtu));
  };
  const routeMtus = async (node: SubnetNode) =>
    (await allBlockRoutes(subnets))[node].filter(({ prefix }) => prefix.startsWith("10.244.")).map(({ mtu }) => mtu);
  /** A packet of this many octets from a pod of n3 to one of n1 that must not be cut. */
  const arrives = async (octets: number) => {
    // Pods remember for ten minutes what they were told.
    await subnets.succeed("n3", "ip", "netns", "exec", "n3-a", "ip", "route", "flush", "cache");
    const argv = ["-n", "-c", "1", "-W", "2", "-M", "do", "-s", String(octets - 28), subnets.addressOf("n1-a")];
    return (await subnets.run("n3", "ip", "netns", "exec", "n3-a", "ping", ...argv)).code === 0;
  };

  it.each([
    ["udp", 28],
    ["ipip", 20],
    ["vxlan", 50],
  ] as const)("follows that of the node's own link, in %s", async (tunnel, overhead) => {
    await changeTo("Always", tunnel);
    for (const link of [1400, 1500]) {
      await setLink("n3", link);
      const mtu = link - overhead;
      await vi.waitFor(async () => expect(await routeMtus("n3")).toEqual([mtu, mtu]), patience);
      await expect.poll(() => arrives(mtu), patience).toBe(true);
      expect(await arrives(mtu + 1)).toBe(false);
    }
  });
});
