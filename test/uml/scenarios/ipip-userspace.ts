import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { Capture } from "../guest/capture.ts";
import { eventually } from "../guest/eventually.ts";
import { loadModule } from "../guest/kernel-modules.ts";
import type { Scenario } from "../guest/scenario.ts";
import { type NodeName, nodeAddresses, TwoSubnets } from "../guest/two-subnets.ts";

/** n1 carries IPIP packets in user space; n2 beside it and n3 behind the router leave that to the kernel. */
async function start(): Promise<TwoSubnets> {
  if (!existsSync("/dev/net/tun")) loadModule("tun");
  loadModule("ipip");
  // 1: no tunl0 in a network namespace unless somebody makes it, so that n1 can have one of another kind.
  writeFileSync("/proc/sys/net/core/fb_tunnels_only_for_init_net", "1");
  const cluster = await TwoSubnets.start({
    pool: { ipipMode: "Always" },
    routerLearns: false,
    flags: { n1: "--ipip-backend userspace" },
  });
  // Until both ends of a tunnel are there, routes of a new pool may be direct.
  await eventually(async () =>
    (await cluster.kernelRoutes("n1")).filter((line) => line.includes(" via ") && !line.includes("tunl0")),
  );
  return cluster;
}

/** What a TCP connection from one pod to another brings, in octets. */
async function transfer(cluster: TwoSubnets, from: NodeName, to: NodeName, octets: number): Promise<number> {
  const [source, target] = await Promise.all([cluster.pod(from), cluster.pod(to)]);
  const inPod = (pod: string, script: string) => ["ip", "netns", "exec", pod, process.execPath, "-e", script];
  const server = `require("node:net").createServer((socket) => {
      socket.on("close", () => process.exit()).end(Buffer.alloc(${octets}));
    }).listen(7000);`;
  const serving = cluster.run(to, ...inPod(target.name, server));
  const client = `let total = 0;
    const connect = () => require("node:net").connect(7000, "${target.address}")
      .on("data", (bytes) => { total += bytes.length; })
      .on("error", () => setTimeout(connect, 200))
      .on("end", () => { console.log(total); process.exit(); });
    connect();`;
  const received = Number(await cluster.run(from, ...inPod(source.name, client)));
  await serving;
  return received;
}

export const scenario: Scenario<TwoSubnets> = {
  start,
  diagnose: (cluster) => cluster.diagnose(),
  checks: {
    "one node has a TUN device and the others have the kernel's tunnel": async (cluster) => {
      const kinds = await Promise.all(
        (["n1", "n2", "n3"] as const).map(async (node) => {
          const [link] = JSON.parse(await cluster.run(node, "ip", "-json", "-details", "link", "show", "tunl0"));
          const { ipip } = (await cluster.status(node)).node;
          return [link.linkinfo.info_kind, ipip?.backend];
        }),
      );
      assert.deepEqual(kinds, [
        ["tun", "userspace"],
        ["ipip", "kernel"],
        ["ipip", "kernel"],
      ]);
    },

    "all pods reach each other, and every packet between nodes is protocol 4": async (cluster) => {
      const capture = await Capture.start(cluster.routerNamespace, "icmp or ip proto 4");
      assert.deepEqual(await cluster.unreachable(), []);
      const addresses: readonly string[] = Object.values(nodeAddresses);
      // A kernel that has ipip, but no tunnel of its own on n1, also says "port unreachable" there; nobody minds.
      const packets = (await capture.stop()).filter(({ text }) => text.startsWith("ICMP echo"));
      assert.ok(packets.length > 0);
      for (const packet of packets) {
        const { source, destination, inner } = packet;
        const isRight = inner !== undefined && addresses.includes(source) && addresses.includes(destination);
        assert.ok(isRight, JSON.stringify(packet));
      }
    },

    "packets of the tunnel's full size pass without being fragmented": async (cluster) => {
      for (const [from, to] of [
        ["n1", "n3"],
        ["n3", "n1"],
      ] as const) {
        const [source, target] = await Promise.all([cluster.pod(from), cluster.pod(to)]);
        const ping = ["ip", "netns", "exec", source.name, "ping", "-n", "-c2", "-i0.2", "-W2", "-M", "do"];
        const output = await cluster.run(from, ...ping, "-s", String(1480 - 28), target.address);
        assert.match(output, /2 packets transmitted, 2 received/);
      }
    },

    "TCP brings everything in both directions": async (cluster) => {
      const octets = 2_000_000;
      assert.equal(await transfer(cluster, "n1", "n3", octets), octets);
      assert.equal(await transfer(cluster, "n3", "n1", octets), octets);
    },
  },
};
