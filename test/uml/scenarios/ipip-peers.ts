import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { BirdNode } from "../guest/bird-node.ts";
import { Capture, type OuterHeader, type Packet } from "../guest/capture.ts";
import { eventually } from "../guest/eventually.ts";
import { loadModule } from "../guest/kernel-modules.ts";
import { PingStream } from "../guest/ping-stream.ts";
import type { Scenario } from "../guest/scenario.ts";
import { type EncapsulationModes, type NodeName, nodeAddresses, nodeNames, TwoSubnets } from "../guest/two-subnets.ts";

const execute = promisify(execFile);

interface World {
  readonly cluster: TwoSubnets;
  readonly bird: BirdNode;
}

/** n3, behind the router, carries IPIP packets in user space; n1 and n2 and the BIRD node b1 leave that to the kernel. */
async function start(): Promise<World> {
  if (!existsSync("/dev/net/tun")) loadModule("tun");
  loadModule("ipip");
  // 1: no tunl0 in a network namespace unless somebody makes it. The module's own cannot be deleted, and n3 refuses to use it.
  writeFileSync("/proc/sys/net/core/fb_tunnels_only_for_init_net", "1");
  const flags = { n3: "--ipip-backend userspace" };
  const cluster = await TwoSubnets.start({ pool: { ipipMode: "Always" }, routerLearns: true, flags });
  try {
    await followed(cluster, "Always");
    return { cluster, bird: await BirdNode.start(cluster) };
  } catch (error) {
    throw new Error(`${String(error)}\n${await cluster.diagnose()}`);
  }
}

/** Resolves when the blocks of the other nodes are behind tunl0 on every node, or none is. */
async function followed(cluster: TwoSubnets, mode: NonNullable<EncapsulationModes["ipipMode"]>): Promise<void> {
  const blocks = await cluster.blocks();
  await eventually(async () => {
    const problems: string[] = [];
    for (const from of nodeNames) {
      const lines = await cluster.kernelRoutes(from);
      for (const to of nodeNames.filter((node) => node !== from)) {
        const line = lines.find((route) => route.startsWith(`${blocks[to]} via `)) ?? "nothing";
        const isRight = line !== "nothing" && line.includes(" dev tunl0 ") === (mode === "Always");
        if (!isRight) problems.push(`${from}: ${line} for ${blocks[to]} of ${to}`);
      }
    }
    return problems;
  }, 60_000);
}

/** Packets that n3's tunnel was given without knowing where to. */
async function homeless(cluster: TwoSubnets): Promise<number> {
  return (await cluster.status("n3")).node.ipip?.packets?.dropped.noRoute ?? Number.NaN;
}

/** Of ping, for packets of as many octets as tunl0 takes. */
const fullSize = ["-M", "do", "-s", String(1480 - 28)];

async function ping(namespace: string, target: string, ...options: readonly string[]): Promise<string> {
  const words = ["netns", "exec", namespace, "ping", "-n", "-c1", "-W3", ...options, target];
  return (await execute("ip", words)).stdout;
}

/** Of what differs from packet to packet, what an outer header may depend on. */
const variants: readonly (readonly string[])[] = [
  ["-M", "do", "-t", "33"],
  ["-M", "dont", "-t", "200", "-s", "1000"],
  ["-M", "do", "-Q", "0xb8"],
  ["-M", "do", "-Q", "0x02"],
];

/** The outer header of the request of each variant of ping, as it leaves the node of the pod. */
async function requestHeaders(cluster: TwoSubnets, from: NodeName, to: NodeName): Promise<OuterHeader[]> {
  const [source, target] = await Promise.all([cluster.pod(from), cluster.pod(to)]);
  const capture = await Capture.start(cluster.routerNamespace, `ip proto 4 and src ${nodeAddresses[from]}`, from);
  for (const options of variants)
    await cluster.run(from, "ip", "netns", "exec", source.name, "ping", "-n", "-c1", "-W3", ...options, target.address);
  const requests = (await capture.stopWithHeaders()).filter(({ text }) => text.startsWith("ICMP echo request"));
  for (const { addresses } of requests)
    assert.deepEqual(addresses, [nodeAddresses[from], nodeAddresses[to], source.address, target.address]);
  assert.equal(requests.length, variants.length);
  return requests;
}

/** What tells outer headers of the same ping apart. */
const fieldsOf = ({ tos, ttl, flags, length }: OuterHeader): string =>
  `tos ${tos}, ttl ${ttl}, flags [${flags}], length ${length}`;

/** `inner source > inner destination by outer source > outer destination` of all that pings, each once. */
function pairsOf(packets: readonly Packet[]): string[] {
  // A kernel that has ipip, but no tunnel of its own on n3, also says "port unreachable" there; nobody minds.
  const pairs = packets
    .filter(({ text }) => text.startsWith("ICMP echo"))
    .map(
      (packet) => `${packet.inner?.source} > ${packet.inner?.destination} by ${packet.source} > ${packet.destination}`,
    );
  return [...new Set(pairs)].sort();
}

export const scenario: Scenario<World> = {
  start,
  diagnose: ({ cluster }) => cluster.diagnose(),
  checks: {
    "user space's outer headers are those of the kernel's tunl0": async ({ cluster }, note) => {
      const kernel = (await requestHeaders(cluster, "n1", "n3")).map(fieldsOf);
      const userspace = (await requestHeaders(cluster, "n3", "n1")).map(fieldsOf);
      for (const [index, options] of variants.entries())
        note(`ping ${options.join(" ")}: kernel ${kernel[index]}; user space ${userspace[index]}`);
      assert.deepEqual(userspace, kernel);
    },

    "packets between user space and kernels are protocol 4 both ways, and all arrive": async ({ cluster }) => {
      const backends = await Promise.all(
        nodeNames.map(async (node) => (await cluster.status(node)).node.ipip?.backend),
      );
      assert.deepEqual(backends, ["kernel", "kernel", "userspace"]);
      const pods = await cluster.podAddresses();
      const capture = await Capture.start(cluster.routerNamespace, "icmp or ip proto 4", "lan2");
      assert.deepEqual(await cluster.unreachable(), []);
      const seen = pairsOf(await capture.stop());
      const wanted = (["n1", "n2"] as const).flatMap((node) => [
        `${pods[node]} > ${pods.n3} by ${nodeAddresses[node]} > ${nodeAddresses.n3}`,
        `${pods.n3} > ${pods[node]} by ${nodeAddresses.n3} > ${nodeAddresses[node]}`,
      ]);
      assert.deepEqual(seen, wanted.sort());
    },

    "packets of the tunnel's full size pass unfragmented both ways": async ({ cluster }) => {
      for (const [from, to] of [
        ["n1", "n3"],
        ["n3", "n2"],
      ] as const) {
        const [source, target] = await Promise.all([cluster.pod(from), cluster.pod(to)]);
        const words = ["ip", "netns", "exec", source.name, "ping", "-n", "-c1", "-W3", ...fullSize, target.address];
        await cluster.run(from, ...words);
      }
    },

    "no ping is lost from Always to Never and back": async ({ cluster }, note) => {
      const streams = [
        await PingStream.start(cluster, "n1", "n3", 0.02),
        await PingStream.start(cluster, "n3", "n2", 0.02),
      ];
      const before = await homeless(cluster);
      for (const mode of ["Never", "Always", "Never", "Always"] as const) {
        await cluster.setPool({ ipipMode: mode });
        await followed(cluster, mode);
      }
      for (const stream of streams) {
        const counted = await stream.flows(25);
        const { lost, errors } = await stream.stop();
        const early = lost.filter((number) => number <= counted);
        note(`${stream.label}: ${early.length} of ${counted} pings lost, until well after the last change`);
        assert.deepEqual({ lost: early, errors }, { lost: [], errors: [] });
      }
      assert.equal((await homeless(cluster)) - before, 0, "packets that n3's tunnel knew no node for");
    },

    "BIRD's block is behind tunl0 on every node, by the address of its node": async ({ cluster, bird }) => {
      const wanted = `${bird.block} via ${bird.address} dev tunl0 metric 1024 onlink mtu 1480`;
      await eventually(async () => {
        const lines = await Promise.all(nodeNames.map((node) => cluster.kernelRoutes(node)));
        return lines.flatMap((routes) => (routes.includes(wanted) ? [] : [routes.join(" | ")]));
      });
    },

    "pods reach the one behind BIRD's hand-made routes and the other way round, by protocol 4": async (world) => {
      const { cluster, bird } = world;
      const capture = await Capture.start(cluster.routerNamespace, "icmp or ip proto 4", "b1");
      const wanted: string[] = [];
      for (const node of nodeNames) {
        const { name, address } = await cluster.pod(node);
        await cluster.run(node, "ip", "netns", "exec", name, "ping", "-n", "-c1", "-W3", ...fullSize, bird.podAddress);
        await ping(bird.podNamespace, address, ...fullSize);
        wanted.push(
          `${address} > ${bird.podAddress} by ${nodeAddresses[node]} > ${bird.address}`,
          `${bird.podAddress} > ${address} by ${bird.address} > ${nodeAddresses[node]}`,
        );
      }
      const seen = pairsOf(await capture.stop());
      assert.deepEqual(seen, wanted.sort());
    },
  },
};
