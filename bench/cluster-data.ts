import { systemClock } from "../src/core/clock.ts";
import type { Datastore, Operation } from "../src/datastore/datastore.ts";
import type { ResourceClient } from "../src/datastore/resource-client.ts";
import { newBlock } from "../src/ipam/block.ts";
import { encodeAffinity, encodeBlock } from "../src/ipam/codec.ts";
import { affinityKey, blockKey } from "../src/ipam/keys.ts";
import { IpAddress } from "../src/net/address.ts";
import { Prefix } from "../src/net/prefix.ts";

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
