import { randomUUID } from "node:crypto";
import { systemClock } from "../../src/core/clock.ts";
import { openEmbeddedDatastore } from "../../src/datastore/embedded/open.ts";
import { ResourceClient } from "../../src/datastore/resource-client.ts";
import { type Neighbour, testedAddress, testedAs } from "../neighbours.ts";
import type { Contender, Launch, Programs, Setup } from "./contender.ts";

/** The BGP speaker alone, in a runner that does nothing else (`speaker.ts`). */
export const calibirdSpeaker: Contender = {
  name: "calibird",
  label: "calibird (speaker)",
  launch: ({ neighbours, folder, programs }: Setup): Launch => ({
    files: { "neighbours.json": JSON.stringify(neighbours) },
    processes: [{ command: [...nodeCommand(programs), programs.speaker, `${folder}/neighbours.json`], measured: true }],
    listens: true,
  }),
};

/** The agent as it runs on a node, on the embedded datastore. */
export const calibirdAgent: Contender = {
  name: "calibird",
  label: "calibird (agent)",
  launch: ({ neighbours, folder, programs }: Setup): Launch => ({
    files: {},
    processes: [{ command: agentCommand(programs, folder), measured: true }],
    listens: true,
    prepare: () => writePeers(`${folder}/datastore`, neighbours),
  }),
};

/** Name of the node that is measured. */
export const testedName = "tested";

/** Command line of an agent; what it keeps goes below the folder, the datastore may be shared. */
export function agentCommand(
  programs: Programs,
  folder: string,
  node: { readonly name: string; readonly address: string } = { name: testedName, address: testedAddress },
  datastore: readonly string[] = ["--datastore", "embedded", "--embedded-path", `${folder}/datastore`],
): string[] {
  return [
    ...[...nodeCommand(programs), programs.agent, "agent", "--log-level", "warn", "--skip-default-pools", "true"],
    ...datastore,
    ...["--node-name", node.name, "--ip", `${node.address}/16`, "--as", String(testedAs)],
    ...["--run-dir", runFolder(folder, node.name), "--state-dir", `${folder}/${node.name}/state`],
  ];
}

function nodeCommand({ nodeOptions }: Programs): string[] {
  return [process.execPath, ...nodeOptions];
}

/** Where an agent has its sockets. */
export function runFolder(folder: string, node: string): string {
  return `${folder}/${node}/run`;
}

async function writePeers(path: string, neighbours: readonly Neighbour[]): Promise<void> {
  const datastore = await openEmbeddedDatastore({ path });
  try {
    await writeNeighbours(new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID }), neighbours);
  } finally {
    await datastore.close();
  }
}

/** Makes the neighbours the only peers of all nodes. */
export async function writeNeighbours(client: ResourceClient, neighbours: readonly Neighbour[]): Promise<void> {
  const head = { apiVersion: "projectcalico.org/v3" } as const;
  await client.apply({
    ...head,
    kind: "BGPConfiguration",
    metadata: { name: "default" },
    spec: { nodeToNodeMeshEnabled: false, asNumber: testedAs },
  });
  for (const [index, { address, as }] of neighbours.entries())
    await client.apply({
      ...head,
      kind: "BGPPeer",
      metadata: { name: `neighbour-${index}` },
      spec: { peerIP: address, asNumber: as },
    });
}
