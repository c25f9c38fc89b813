// cluster-writer.js embedded FOLDER | etcd URL: writes a large cluster where a namespace reaches its datastore. A line "cluster
// NODES" on standard input writes it, "export yes" and "export no" edit its pool; each is answered with "done" on standard error.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { systemClock } from "../src/core/clock.ts";
import { openDatastore } from "../src/datastore/open.ts";
import { ResourceClient } from "../src/datastore/resource-client.ts";
import { applyPool, connectionTo, nodeName, writeBlocks } from "./cluster-data.ts";
import { testedName } from "./contenders/calibird.ts";
import { clientAddress, testedAs } from "./neighbours.ts";
import { blocksPerNode, peersOf } from "./scenarios.ts";

const peerLabel = "peers-with-tested";
/** Objects that are written at the same time. */
const writesAtOnce = 32;

/** A cluster in which the measured node has sessions with those others that a selector picks. */
async function writeCluster(nodes: number): Promise<void> {
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
  const writeNode = (node: number) =>
    client.apply({
      ...head,
      kind: "Node",
      metadata: { name: nodeName(node), labels: { [peerLabel]: node < peersOf(nodes) ? "yes" : "no" } },
      spec: { bgp: { ipv4Address: `${clientAddress(node)}/16` } },
    });
  for (let start = 0; start < nodes; start += writesAtOnce)
    await Promise.all(remote.slice(start, start + writesAtOnce).map(writeNode));
  const owner = (node: string, index: number) => ({ node, first: index * blocksPerNode, count: blocksPerNode });
  await writeBlocks(datastore, [...remote.map((node) => owner(nodeName(node), node)), owner(testedName, nodes)]);
}

const datastore = await openDatastore(connectionTo(process.argv[2], process.argv[3]));
const client = new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID });
for await (const line of createInterface({ input: process.stdin })) {
  const [word, value] = line.split(" ");
  if (word === "cluster") await writeCluster(Number(value));
  else await applyPool(client, { disableBGPExport: value === "no" });
  process.stderr.write("done\n");
}
await datastore.close();
