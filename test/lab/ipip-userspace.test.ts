import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { patience } from "./support/agent-lab.ts";
import { packetsBetween } from "./support/protocol-four.ts";
import { SubnetLab } from "./support/subnet-lab.ts";
import {
  blockRoutes,
  isTunnelled,
  type Mode,
  type SubnetNode,
  subnetNodes,
  topologyNodes,
} from "./support/subnet-routes.ts";

// Chosen by name, so that it is shown on kernels with ipip as well.
let subnets: SubnetLab;
beforeAll(async () => {
  subnets = await SubnetLab.start({ flags: "--ipip-backend userspace" });
});
afterAll(() => subnets?.down());

const pairs = subnetNodes.flatMap((from) => subnetNodes.filter((to) => to !== from).map((to) => [from, to] as const));

/** Changes the pool and waits until every node has its routes as that mode wants them. */
async function setMode(mode: Mode): Promise<void> {
  await subnets.applyPool("pods", { ipipMode: mode });
  const owners = await subnets.owners();
  await vi.waitFor(async () => {
    for (const node of subnetNodes) {
      const devices = (await blockRoutes(subnets, node)).map(({ prefix, device, gateway }) => [
        prefix,
        device,
        gateway,
      ]);
      for (const [prefix, owner] of owners) {
        if (owner === node || !prefix.startsWith("10.244.")) continue;
        const tunnelled = isTunnelled(node, owner, mode);
        const direct = isTunnelled(node, owner, "CrossSubnet")
          ? topologyNodes[node].gateway
          : topologyNodes[owner].address;
        const expected = tunnelled ? ["tunl0", topologyNodes[owner].address] : ["eth1", direct];
        expect(devices, node).toContainEqual([prefix, ...expected]);
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

it.each(["Always", "CrossSubnet", "Never"] as const)(
  "in mode %s tunnelled packets, and no others, are protocol 4 between the nodes",
  async (mode) => {
    await setMode(mode);
    for (const [from, to] of pairs) {
      const seen = await packetsBetween(subnets, from, async () => expect(await pings(from, to, 1400)).toBe(true));
      const outer = isTunnelled(from, to, mode)
        ? [`${topologyNodes[from].address} > ${topologyNodes[to].address}`]
        : [];
      expect(seen, `${from} -> ${to}`).toEqual([
        [...outer, `${subnets.addressOf(`${from}-a`)} > ${subnets.addressOf(`${to}-a`)}`],
      ]);
    }
  },
);
