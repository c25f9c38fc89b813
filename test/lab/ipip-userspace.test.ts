import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { patience } from "./support/agent-lab.ts";
import { kernelHasIpip } from "./support/kernel-has-ipip.ts";
import { PingStream } from "./support/ping-stream.ts";
import { packetsBetween } from "./support/protocol-four.ts";
import { SubnetLab } from "./support/subnet-lab.ts";
import {
  allBlockRoutes,
  blockRoutes,
  isTunnelled,
  type Mode,
  type SubnetNode,
  subnetNodes,
  topologyNodes,
} from "./support/subnet-routes.ts";

let subnets: SubnetLab;
let choice: { readonly flags: string; readonly reason: string };
beforeAll(async () => {
  // Where the kernel could do it, the agents have to be told.
  choice = kernelHasIpip()
    ? { flags: "--ipip-backend userspace", reason: "as configured" }
    : { flags: "", reason: "kernel has no ipip" };
  subnets = await SubnetLab.start(choice);
});
afterAll(() => subnets?.down());

const tunnelMtu = 1480;
const pairs = subnetNodes.flatMap((from) => subnetNodes.filter((to) => to !== from).map((to) => [from, to] as const));

async function blockOwners(): Promise<Map<string, SubnetNode>> {
  const blocks = subnetNodes.map(async (node) =>
    (await subnets.status(node)).node.blocks.map(({ block }) => [block, node] as const),
  );
  return new Map((await Promise.all(blocks)).flat());
}

/** Changes the pool and waits until every node has its routes as that mode wants them. */
async function setMode(mode: Mode): Promise<void> {
  await subnets.applyPool("pods", { ipipMode: mode });
  const owners = await blockOwners();
  await vi.waitFor(async () => {
    for (const node of subnetNodes) {
      const routes = (await blockRoutes(subnets, node)).map(({ prefix, device, gateway }) => [prefix, device, gateway]);
      for (const [prefix, owner] of owners)
        if (owner !== node && prefix.startsWith("10.244.")) expect(routes, node).toContainEqual(routeOf(prefix));

      function routeOf(prefix: string): string[] {
        const owner = owners.get(prefix) ?? node;
        if (isTunnelled(node, owner, mode)) return [prefix, "tunl0", topologyNodes[owner].address];
        const isFar = isTunnelled(node, owner, "CrossSubnet");
        return [prefix, "eth1", isFar ? topologyNodes[node].gateway : topologyNodes[owner].address];
      }
    }
  }, patience);
  await subnets.settled();
}

/** A ping of this many octets that must not be fragmented, from a node's pod to another's. */
async function pings(from: SubnetNode, to: SubnetNode, octets: number): Promise<boolean> {
  const ping = [
    "ping",
    "-n",
    "-c",
    "1",
    "-W",
    "2",
    "-M",
    "do",
    "-s",
    String(octets - 28),
    subnets.addressOf(`${to}-a`),
  ];
  return (await subnets.run(from, "ip", "netns", "exec", `${from}-a`, ...ping)).code === 0;
}

async function deviceIndex(node: SubnetNode): Promise<number> {
  const [device] = JSON.parse(await subnets.succeed(node, "ip", "-json", "link", "show", "tunl0"));
  return device.ifindex;
}

it.each(["Always", "CrossSubnet", "Never"] as const)(
  "in mode %s tunnelled packets, and no others, are protocol 4 between the nodes",
  async (mode) => {
    await setMode(mode);
    for (const [from, to] of pairs) {
      const seen = await packetsBetween(subnets, from, async () => expect(await pings(from, to, 1400)).toBe(true));
      const inner = `${subnets.addressOf(`${from}-a`)} > ${subnets.addressOf(`${to}-a`)}`;
      const outer = `${topologyNodes[from].address} > ${topologyNodes[to].address}`;
      expect(seen, `${from} -> ${to}`).toEqual([isTunnelled(from, to, mode) ? [outer, inner] : [inner]]);
    }
  },
);

it("says who carries the packets, and how many", async () => {
  await setMode("Always");
  expect(await pings("n1", "n3", 100)).toBe(true);
  const { ipip } = (await subnets.status("n1")).node;
  expect(ipip).toMatchObject({ backend: "userspace", reason: choice.reason });
  expect(ipip?.packets?.sent).toBeGreaterThan(0);
  expect(await subnets.succeed("n1", "calictl", "node", "status")).toMatch(
    new RegExp(`^IPIP +userspace \\(${choice.reason}\\) +sent \\d+, received \\d+`, "m"),
  );
});

it("carries packets of the tunnel's whole MTU that must not be fragmented, and none that are larger", async () => {
  for (const [from, to] of pairs) {
    expect(await pings(from, to, tunnelMtu), `${from} -> ${to}`).toBe(true);
    expect(await pings(from, to, tunnelMtu + 1), `${from} -> ${to}`).toBe(false);
  }
});

it("loses no packet when the mode changes", async () => {
  const streams = await Promise.all(
    (["n2", "n3"] as const).map((to) =>
      PingStream.start(subnets, { node: "n1", pod: "n1-a" }, subnets.addressOf(`${to}-a`), 0.005),
    ),
  );
  for (let round = 0; round < 2; round++)
    for (const mode of ["CrossSubnet", "Never", "Always", "Never", "CrossSubnet", "Always"] as const)
      await setMode(mode);
  for (const stream of streams) {
    const { sent, lost, errors } = await stream.stop();
    expect(sent).toBeGreaterThan(100);
    expect({ lost, errors }, stream.label).toEqual({ lost: [], errors: [] });
  }
});

it("keeps device and routes while an agent is away, and carries packets as soon as it is back", async () => {
  const before = await allBlockRoutes(subnets);
  const index = await deviceIndex("n3");
  await subnets.lab.killNode("n3");
  expect(await allBlockRoutes(subnets)).toEqual(before);
  expect(await pings("n1", "n3", 100)).toBe(false);
  await subnets.lab.startNode("n3");
  await vi.waitFor(async () => expect(await pings("n1", "n3", tunnelMtu)).toBe(true), patience);
  await subnets.settled();
  expect(await allBlockRoutes(subnets)).toEqual(before);
  expect(await deviceIndex("n3")).toBe(index);
  expect((await subnets.status("n3")).node.ipip?.backend).toBe("userspace");
});

it("makes a deleted device again, with its routes", async () => {
  const before = await blockRoutes(subnets, "n3");
  await subnets.succeed("n3", "ip", "link", "del", "tunl0");
  await vi.waitFor(async () => expect(await blockRoutes(subnets, "n3")).toEqual(before), patience);
  await subnets.settled();
  expect(await subnets.unreachable()).toEqual([]);
});
