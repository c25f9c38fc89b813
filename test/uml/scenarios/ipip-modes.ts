import assert from "node:assert/strict";
import { Capture } from "../guest/capture.ts";
import { eventually } from "../guest/eventually.ts";
import { PingStream } from "../guest/ping-stream.ts";
import type { Scenario } from "../guest/scenario.ts";
import { type EncapsulationModes, type NodeName, nodeAddresses, nodeNames, TwoSubnets } from "../guest/two-subnets.ts";

type Mode = NonNullable<EncapsulationModes["ipipMode"]>;

const subnetOf = (node: NodeName) => nodeAddresses[node].split(".").slice(0, 3).join(".");

function isTunnelled(mode: Mode, from: NodeName, to: NodeName): boolean {
  return mode === "Always" || (mode === "CrossSubnet" && subnetOf(from) !== subnetOf(to));
}

/** The kernel's line for a remote block; a direct one to the other subnet goes by the router. */
function routeLine(mode: Mode, from: NodeName, to: NodeName, block: string): string {
  if (isTunnelled(mode, from, to)) return `${block} via ${nodeAddresses[to]} dev tunl0 metric 1024 onlink mtu 1480`;
  const gateway = subnetOf(from) === subnetOf(to) ? nodeAddresses[to] : `${subnetOf(from)}.1`;
  return `${block} via ${gateway} dev eth1 metric 1024`;
}

/** Resolves when the kernels of all nodes have what the mode asks for. */
async function followed(
  cluster: TwoSubnets,
  mode: Mode,
  nodes: readonly NodeName[] = nodeNames,
  known?: Readonly<Record<NodeName, string>>,
): Promise<void> {
  const blocks = known ?? (await cluster.blocks());
  await eventually(async () => {
    const problems: string[] = [];
    for (const from of nodes) {
      const lines = await cluster.kernelRoutes(from);
      for (const to of nodeNames) {
        const wanted = routeLine(mode, from, to, blocks[to]);
        if (from !== to && !lines.includes(wanted)) problems.push(`${from}: no "${wanted}" among ${lines.join(" | ")}`);
      }
    }
    return problems;
  }, 60_000);
}

/** Outer addresses of protocol 4, and the pairs that went plain, while every pod pings every other. */
async function wireOf(cluster: TwoSubnets): Promise<{ tunnelled: string[]; plain: string[] }> {
  const pods = await cluster.podAddresses();
  const nodeOfPod = new Map(nodeNames.map((node) => [pods[node], node]));
  const capture = await Capture.start(cluster.routerNamespace, "icmp or ip proto 4");
  assert.deepEqual(await cluster.unreachable(), []);
  const packets = await capture.stop();
  const tunnelled = new Set<string>();
  const plain = new Set<string>();
  for (const { source, destination, inner } of packets) {
    const pair = inner ?? { source, destination };
    const names = `${nodeOfPod.get(pair.source)} > ${nodeOfPod.get(pair.destination)}`;
    if (inner === undefined) plain.add(names);
    else tunnelled.add(`${names} by ${source} > ${destination}`);
  }
  return { tunnelled: [...tunnelled].sort(), plain: [...plain].sort() };
}

function expectedWire(mode: Mode): { tunnelled: string[]; plain: string[] } {
  const pairs = nodeNames.flatMap((from) => nodeNames.filter((to) => to !== from).map((to) => ({ from, to })));
  const through = pairs.filter(({ from, to }) => isTunnelled(mode, from, to));
  const beside = pairs.filter(({ from, to }) => !isTunnelled(mode, from, to));
  return {
    tunnelled: through.map(({ from, to }) => `${from} > ${to} by ${nodeAddresses[from]} > ${nodeAddresses[to]}`).sort(),
    plain: beside.map(({ from, to }) => `${from} > ${to}`).sort(),
  };
}

/** Every change between two of the three modes, once. */
const transitions: readonly Mode[] = ["CrossSubnet", "Never", "Always", "Never", "CrossSubnet", "Always"];

export const scenario: Scenario<TwoSubnets> = {
  start: () => TwoSubnets.start({ pool: { ipipMode: "Always" }, routerLearns: true }),
  diagnose: (cluster) => cluster.diagnose(),
  checks: {
    "in mode Always all blocks are behind tunl0, which has an address of IPAM that the Node names": async (cluster) => {
      await followed(cluster, "Always");
      for (const node of nodeNames) {
        const shown = await cluster.run(node, "ip", "-brief", "address", "show", "tunl0");
        const stored = await cluster
          .client(node)
          .admin<{ spec: { bgp: Record<string, string> } }>("GET", `/v1/resources/nodes/${node}`);
        assert.match(shown, new RegExp(`${stored.spec.bgp.ipv4IPIPTunnelAddr?.replaceAll(".", "\\.")}/32`));
        assert.match(await cluster.run(node, "ip", "link", "show", "tunl0"), /<NOARP,UP,LOWER_UP> mtu 1480/);
      }
    },

    "in mode Always every packet between nodes is protocol 4 between their addresses": async (cluster) => {
      assert.deepEqual(await wireOf(cluster), expectedWire("Always"));
    },

    "packets of the tunnel's full size pass without being fragmented": async (cluster) => {
      const [source, target] = await Promise.all([cluster.pod("n1"), cluster.pod("n3")]);
      const ping = ["ip", "netns", "exec", source.name, "ping", "-n", "-c2", "-i0.2", "-W2", "-M", "do"];
      const output = await cluster.run("n1", ...ping, "-s", String(1480 - 28), target.address);
      assert.match(output, /2 packets transmitted, 2 received/);
    },

    "calictl routes says which way each block is reached": async (cluster) => {
      const blocks = await cluster.blocks();
      const route = (await cluster.routes("n1")).find(({ prefix }) => prefix === blocks.n3);
      assert.equal(route?.mode, "ipip");
      assert.equal(route?.device, "tunl0");
    },

    "no ping is lost in any change between Always, CrossSubnet and Never": async (cluster, note) => {
      const streams = [
        await PingStream.start(cluster, "n1", "n2", 0.02),
        await PingStream.start(cluster, "n1", "n3", 0.02),
        await PingStream.start(cluster, "n3", "n2", 0.02),
      ];
      for (const mode of transitions) {
        await cluster.setPool({ ipipMode: mode });
        await followed(cluster, mode);
      }
      for (const stream of streams) {
        const { sent, lost, errors } = await stream.stop();
        note(`${stream.label}: ${lost.length} of ${sent} pings lost over ${transitions.length} changes`);
        assert.deepEqual({ lost, errors }, { lost: [], errors: [] });
      }
    },

    "a node whose agent was away during a change comes back right": async (cluster) => {
      const blocks = await cluster.blocks();
      await cluster.lab.killNode("n2");
      await cluster.setPool({ ipipMode: "CrossSubnet" });
      await followed(cluster, "CrossSubnet", ["n1", "n3"], blocks);
      await cluster.lab.startNode("n2");
      await followed(cluster, "CrossSubnet");
      await cluster.settled();
    },

    "in mode CrossSubnet packets stay plain inside a subnet and are protocol 4 between subnets": async (cluster) => {
      assert.deepEqual(await wireOf(cluster), expectedWire("CrossSubnet"));
    },
  },
};
