import { systemClock } from "../src/core/clock.ts";
import type { DatastoreConnection } from "../src/datastore/connection.ts";
import type { Datastore, Operation } from "../src/datastore/datastore.ts";
import type { ResourceClient } from "../src/datastore/resource-client.ts";
import { IpamAdministration } from "../src/ipam/administration.ts";
import { allocate, newBlock } from "../src/ipam/block.ts";
import { encodeAffinity, encodeBlock, encodeHandle } from "../src/ipam/codec.ts";
import { affinityKey, blockKey, handleKey } from "../src/ipam/keys.ts";
import { podOwner } from "../src/ipam/owners.ts";
import { surveyIpam } from "../src/ipam/survey.ts";
import { IpAddress } from "../src/net/address.ts";
import { Prefix } from "../src/net/prefix.ts";
import { encodeResource } from "../src/resources/resource.ts";
import { resourceKey } from "../src/resources/resource-keys.ts";

/** Blocks as the program `neighbours` announces them: /26 from 10.128.0.0 on, those of a node side by side. */
const firstBlock = IpAddress.parse("10.128.0.0").w0;
const blockBits = 6;

/** The pool of all blocks. */
const pool = { name: "pods", cidr: "10.128.0.0/10" } as const;

/** A datastore takes so many operations at once. */
const operationsPerTransaction = 128;

/** Name of a node other than the one that is measured. */
export function nodeName(index: number): string {
  return `remote-${index}`;
}

/** The block with this number. */
export function blockOf(index: number): Prefix {
  return Prefix.of(IpAddress.v4(firstBlock + index * 2 ** blockBits), 32 - blockBits);
}

/** A node and the numbers of its blocks, from `first` on. */
export interface BlockOwner {
  readonly node: string;
  readonly first: number;
  readonly count: number;
}

/** Writes blocks with their affinities past IPAM, which would take them one by one. */
export async function writeBlocks(datastore: Datastore, owners: readonly BlockOwner[]): Promise<void> {
  const operations = owners.flatMap(({ node, first, count }) =>
    Array.from({ length: count }, (_, index): Operation[] => {
      const block = blockOf(first + index);
      return [
        { type: "put", key: blockKey(block), value: encodeBlock(newBlock(block, node, systemClock.wallMs())) },
        { type: "put", key: affinityKey(node, block), value: encodeAffinity("confirmed") },
      ];
    }).flat(),
  );
  await writeInBatches(datastore, operations);
}

/** The datastore of a run, as its programs are told of it. */
export function connectionTo(kind = "", place = ""): DatastoreConnection {
  return kind === "etcd" ? { kind, members: { endpoints: [place] } } : { kind: "embedded", path: place };
}

/** Nodes that share the allocations of a large cluster. */
const allocatingNodes = 500;

/** Writes full blocks with their handles, nodes and pods past IPAM: so many allocations, all of them in use. */
export async function writeAllocations(datastore: Datastore, client: ResourceClient, count: number): Promise<void> {
  const existing = await surveyIpam(datastore);
  // What was handed out before has no pods.
  const administration = new IpamAdministration({
    datastore,
    clock: systemClock,
    random: Math.random,
    pools: () => [],
  });
  for (const handleId of existing.handles.keys()) await administration.releaseHandle(handleId);
  const nodes = new Set(existing.affinities.map(({ node }) => node));
  const existingBlocks = new Set(existing.blocks.map(({ cidr }) => cidr.toString()));
  const operations: Operation[] = [];
  for (let index = 0, taken = 0; taken < count; index++) {
    const cidr = blockOf(index);
    if (existingBlocks.has(cidr.toString())) continue;
    const node = nodeName(index % allocatingNodes);
    nodes.add(node);
    let block = newBlock(cidr, node, systemClock.wallMs());
    for (let ordinal = 0; ordinal < cidr.size; ordinal++, taken++) {
      const pod = `full-${taken}`;
      const identity = { network: "k8s-pod-network", containerId: pod, namespace: "default", pod, node };
      const owner = podOwner(identity, systemClock.wallMs());
      const given = allocate(block, 1, owner);
      block = given.block;
      const counts = new Map([[cidr.toString(), 1]]);
      operations.push(
        { type: "put", key: handleKey(owner.handleId), value: encodeHandle({ counts, unknownFields: {} }) },
        ...given.addresses.map((address) => endpointOf(node, pod, address)),
      );
    }
    operations.push(
      { type: "put", key: blockKey(cidr), value: encodeBlock(block) },
      { type: "put", key: affinityKey(node, cidr), value: encodeAffinity("confirmed") },
    );
  }
  for (const name of nodes)
    await client.apply({ apiVersion: "projectcalico.org/v3", kind: "Node", metadata: { name }, spec: {} });
  await writeInBatches(datastore, operations);
}

function endpointOf(node: string, pod: string, address: IpAddress): Operation {
  const spec = {
    ...{ node, orchestrator: "k8s", endpoint: "eth0", pod, interfaceName: "cali0123456789a" },
    ipNetworks: [`${address}/32`],
  };
  const name = `${node.replaceAll("-", "--")}-k8s-${pod.replaceAll("-", "--")}-eth0`;
  const metadata = { name, namespace: "default" };
  const resource = { apiVersion: "projectcalico.org/v3", kind: "WorkloadEndpoint", metadata, spec } as const;
  return { type: "put", key: resourceKey("WorkloadEndpoint", name, "default"), value: encodeResource(resource) };
}

async function writeInBatches(datastore: Datastore, operations: readonly Operation[]): Promise<void> {
  for (let start = 0; start < operations.length; start += operationsPerTransaction)
    await datastore.transact({ compares: [], success: operations.slice(start, start + operationsPerTransaction) });
}

/** Creates the pool of all blocks, or changes it. */
export async function applyPool(
  client: ResourceClient,
  spec: { readonly vxlanMode?: "Never" | "Always"; readonly disableBGPExport?: boolean },
): Promise<void> {
  await client.apply({
    apiVersion: "projectcalico.org/v3",
    kind: "IPPool",
    metadata: { name: pool.name },
    spec: {
      cidr: pool.cidr,
      blockSize: 32 - blockBits,
      ipipMode: "Never",
      vxlanMode: "Never",
      natOutgoing: false,
      ...spec,
    },
  });
}
