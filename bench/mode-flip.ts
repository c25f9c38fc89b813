import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "../src/core/clock.ts";
import type { Datastore } from "../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../src/datastore/embedded/open.ts";
import { ResourceClient } from "../src/datastore/resource-client.ts";
import { IpAddress } from "../src/net/address.ts";
import { vtepMacAddress } from "../src/vxlan/mac-address.ts";
import { batch, buildArena } from "./arena.ts";
import { BenchProgram, type Values } from "./bench-program.ts";
import { applyPool, blockOf, nodeName, writeBlocks } from "./cluster-data.ts";
import { neighboursOf } from "./compile.ts";
import { agentCommand, writeNeighbours } from "./contenders/calibird.ts";
import { makeFolder, type RunOptions } from "./measure.ts";
import { clientAddress, type Neighbour, reflectorClients, testedAddress, testedAs } from "./neighbours.ts";
import { readPings } from "./pings.ts";
import { NamespaceProcess } from "./processes.ts";
import { flipNodes } from "./scenarios.ts";
import { Scope } from "./scope.ts";

const reflector: Neighbour = { address: "10.0.0.2", as: testedAs, role: "sender" };

/** Where the pings come from and go to; the target is in the first block of the first node. */
const pingSource = "192.0.2.1";
const pingTarget = "10.128.0.2";
const pingIntervalSec = 0.002;

/** The address of a node's VXLAN device: the second of its first block. */
function vtepOf(node: number, blocksPerNode: number): string {
  return IpAddress.v4(blockOf(node * blocksPerNode).address.w0 + 1).toString();
}

/** A cluster of many nodes that have all blocks, and one that has none: the one that is measured. */
async function writeCluster(datastore: Datastore, client: ResourceClient, blocksPerNode: number): Promise<void> {
  await writeNeighbours(client, [reflector]);
  await applyPool(client, { vxlanMode: "Never" });
  const nodes = Array.from({ length: flipNodes }, (_, node) => node);
  for (const node of nodes)
    await client.apply({
      apiVersion: "projectcalico.org/v3",
      kind: "Node",
      metadata: { name: nodeName(node) },
      spec: {
        bgp: { ipv4Address: `${clientAddress(node)}/16` },
        ipv4VXLANTunnelAddr: vtepOf(node, blocksPerNode),
        vxlanTunnelMACAddr: vtepMacAddress(nodeName(node)),
      },
    });
  const owner = (node: number) => ({ node: nodeName(node), first: node * blocksPerNode, count: blocksPerNode });
  await writeBlocks(datastore, nodes.map(owner));
}

/** Makes the outside answer pings as the first node, by the tunnel and without it. */
function playFirstNode(outside: string, tested: string, blocksPerNode: number): void {
  batch(tested, [`addr add ${pingSource}/32 dev lo`]);
  batch(outside, [
    `link add vxlan0 address ${vtepMacAddress(nodeName(0))} type vxlan id 4096 dstport 4789 local ${clientAddress(0)} dev eth1 nolearning`,
    "link set vxlan0 up",
    `addr add ${pingTarget}/32 dev lo`,
    `addr add ${vtepOf(0, blocksPerNode)}/32 dev vxlan0`,
    `route add ${pingSource}/32 via ${testedAddress} dev eth1`,
  ]);
}

/**
 * Changes a pool of many remote blocks to VXLAN and back while pings run through one of them. A phase lasts from before the
 * edit is written to the datastore until the kernel has told of the last route.
 */
export async function measureModeFlip({ programs, size, signal }: RunOptions): Promise<Values> {
  const blocksPerNode = Math.max(1, Math.round(size / flipNodes));
  const scope = new Scope();
  try {
    const folder = makeFolder(scope);
    const arena = buildArena(scope, [reflector, ...reflectorClients(flipNodes)]);
    const datastore = await openEmbeddedDatastore({ path: join(folder, "datastore") });
    scope.defer(() => datastore.close());
    const client = new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID });
    await writeCluster(datastore, client, blocksPerNode);
    playFirstNode(arena.outside, arena.tested, blocksPerNode);
    const agent = new NamespaceProcess(scope, arena.tested, agentCommand(programs, folder), join(folder, "log"));
    await agent.awaitListening();
    const options = [
      ...["--pids", String(agent.pid), "--namespace", `/run/netns/${arena.tested}`, "--local-as", String(testedAs)],
      ...["--clients", String(flipNodes), "--per-client", String(blocksPerNode)],
    ];
    const neighbours = new BenchProgram(arena.outside, [neighboursOf(programs), "mode-flip", ...options], signal);
    scope.defer(() => neighbours.end());
    await neighbours.said("ready");
    const pings = startPings(scope, arena.tested);
    for (const [phase, vxlanMode, device] of [
      ["to_vxlan", "Always", "other"],
      ["to_direct", "Never", "first"],
    ] as const) {
      neighbours.tell(`${phase} ${device}`);
      await neighbours.said("armed");
      await applyPool(client, { vxlanMode });
      await neighbours.said("settled");
    }
    const { sent, lost } = readPings(await pings.end(), pingIntervalSec);
    return { ...(await neighbours.result()), pings: sent, lost };
  } finally {
    await scope.close();
  }
}

function startPings(scope: Scope, namespace: string) {
  const argv = ["ping", "-n", "-i", String(pingIntervalSec), "-I", pingSource, pingTarget];
  const child = spawn("ip", ["netns", "exec", namespace, ...argv], { stdio: ["ignore", "pipe", "ignore"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const ended = new Promise((resolve) => child.once("close", resolve));
  const end = async () => {
    child.kill("SIGINT");
    await ended;
    return output;
  };
  scope.defer(async () => {
    await end();
  });
  return { end };
}
