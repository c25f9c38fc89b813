import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "../src/core/clock.ts";
import type { Datastore } from "../src/datastore/datastore.ts";
import { openEmbeddedDatastore } from "../src/datastore/embedded/open.ts";
import { ResourceClient } from "../src/datastore/resource-client.ts";
import { batch, buildArena } from "./arena.ts";
import { applyPool, nodeName, writeBlocks } from "./cluster-data.ts";
import { agentCommand } from "./contenders/calibird.ts";
import { makeFolder, type RunOptions } from "./measure.ts";
import { NeighbourProgram, type Values } from "./neighbour-program.ts";
import { clientAddress, reflectorClients, testedAs } from "./neighbours.ts";
import { NamespaceProcess } from "./processes.ts";
import { blocksPerNode, peersOf } from "./scenarios.ts";
import { Scope } from "./scope.ts";

const outsideMac = "02:00:00:00:00:02";
const testedName = "tested";
const peerLabel = "peers-with-tested";

/** A cluster in which the measured node has sessions with those others that a selector picks. */
async function writeCluster(datastore: Datastore, client: ResourceClient, nodes: number): Promise<void> {
  const head = { apiVersion: "projectcalico.org/v3" } as const;
  await client.apply({
    ...head,
    kind: "BGPConfiguration",
    metadata: { name: "default" },
    spec: { nodeToNodeMeshEnabled: false, asNumber: testedAs },
  });
  await client.apply({
    ...head,
    kind: "BGPPeer",
    metadata: { name: "by-selector" },
    spec: { node: testedName, peerSelector: `${peerLabel} == 'yes'` },
  });
  await applyPool(client, {});
  const remote = Array.from({ length: nodes }, (_, node) => node);
  for (const node of remote)
    await client.apply({
      ...head,
      kind: "Node",
      metadata: { name: nodeName(node), labels: { [peerLabel]: node < peersOf(nodes) ? "yes" : "no" } },
      spec: { bgp: { ipv4Address: `${clientAddress(node)}/16` } },
    });
  const owner = (node: string, index: number) => ({ node, first: index * blocksPerNode, count: blocksPerNode });
  await writeBlocks(datastore, [...remote.map((node) => owner(nodeName(node), node)), owner(testedName, nodes)]);
}

/**
 * The agent's start in a large cluster, until the last of its neighbours has its blocks; then an edit of the pool that makes
 * it withdraw them from all, and one that makes it announce them again.
 */
export async function measureCluster({ programs, size, signal }: RunOptions): Promise<Values> {
  const scope = new Scope();
  try {
    const folder = makeFolder(scope);
    const neighbours = reflectorClients(peersOf(size));
    const arena = buildArena(scope, neighbours);
    // The kernel's table of neighbours has 1,024 places, but for those that somebody has entered.
    batch(arena.outside, [`link set eth1 address ${outsideMac}`]);
    batch(
      arena.tested,
      neighbours.map(({ address }) => `neigh replace ${address} lladdr ${outsideMac} dev eth0 nud permanent`),
    );
    const datastore = await openEmbeddedDatastore({ path: join(folder, "datastore") });
    scope.defer(() => datastore.close());
    const client = new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID });
    await writeCluster(datastore, client, size);
    const agent = new NamespaceProcess(scope, arena.tested, agentCommand(programs, folder), join(folder, "log"));
    const options = [
      ...["--pids", String(agent.pid), "--local-as", String(testedAs), "--nodes", String(size)],
      ...["--clients", String(neighbours.length), "--per-client", String(blocksPerNode)],
    ];
    const played = new NeighbourProgram(arena.outside, programs, ["cluster", ...options], signal);
    scope.defer(() => played.end());
    await played.said("ready");
    for (const [phase, disableBGPExport, wanted] of [
      ["withdraw", true, "none"],
      ["announce", false, "all"],
    ] as const) {
      played.tell(`${phase} ${wanted}`);
      await played.said("armed");
      await applyPool(client, { disableBGPExport });
      await played.said("settled");
    }
    return await played.result();
  } finally {
    await scope.close();
  }
}
