import type { Datastore } from "../../src/datastore/datastore.ts";
import { type Block, handleOf, isTaken } from "../../src/ipam/block.ts";
import { decodeAffinity, decodeBlock, decodeHandle } from "../../src/ipam/codec.ts";
import { AFFINITIES_PREFIX, blocksPrefix, handleKey, parseAffinityKey } from "../../src/ipam/keys.ts";

/** What is inside a block that can't be. */
export function blockProblems(block: Block): string[] {
  const problems: string[] = [];
  const attributes = block.attributes ?? [];
  const free = new Set(block.unallocated);
  if (free.size !== block.unallocated.length) problems.push("an ordinal is free twice");
  for (const [ordinal, index] of block.allocations.entries())
    if ((index === null) !== free.has(ordinal)) problems.push(`ordinal ${ordinal} is neither free nor taken, or both`);
  const used = new Set(block.allocations);
  for (const index of attributes.keys()) if (!used.has(index)) problems.push(`attribute ${index} is not referenced`);
  for (const ordinal of block.allocationSequence.keys())
    if (free.has(ordinal)) problems.push(`the free ordinal ${ordinal} has a sequence number`);
  return problems.map((problem) => `${block.cidr}: ${problem}`);
}

/** Everything in a store that contradicts itself, and what is allocated: handle by address. */
export async function auditIpam(store: Datastore): Promise<{ problems: string[]; allocations: Map<string, string> }> {
  const problems: string[] = [];
  const allocations = new Map<string, string>();
  const counted = new Map<string, number>();
  const owners = new Map<string, string | null>();
  for (const family of [4, 6] as const)
    for (const item of (await store.list(blocksPrefix(family))).items) {
      const block = decodeBlock(item.key, item.value);
      if (block === undefined) continue;
      problems.push(...blockProblems(block));
      for (const other of owners.keys()) if (other === block.cidr.toString()) problems.push(`${other} exists twice`);
      owners.set(block.cidr.toString(), block.affinity);
      for (const ordinal of block.allocations.keys()) {
        if (!isTaken(block, ordinal)) continue;
        const address = block.cidr.address.plus(ordinal).toString();
        const handle = handleOf(block, ordinal);
        if (handle === undefined) problems.push(`${address} has no handle`);
        else {
          allocations.set(address, handle);
          counted.set(`${handle} ${block.cidr}`, (counted.get(`${handle} ${block.cidr}`) ?? 0) + 1);
        }
      }
    }
  const prefix = handleKey("x").slice(0, -1);
  for (const item of (await store.list(prefix)).items)
    for (const [cidr, count] of decodeHandle(item.key, item.value)?.counts ?? []) {
      const name = `${item.key.slice(prefix.length)} ${cidr}`;
      if (counted.get(name) !== count) problems.push(`handle ${name} counts ${count}, not ${counted.get(name) ?? 0}`);
      counted.delete(name);
    }
  for (const name of counted.keys()) problems.push(`nothing counts ${name}`);
  for (const item of (await store.list(AFFINITIES_PREFIX)).items) {
    const parsed = parseAffinityKey(item.key);
    if (parsed === undefined || decodeAffinity(item.key, item.value) !== "confirmed") continue;
    if (owners.get(parsed.block.toString()) !== `host:${parsed.node}`)
      problems.push(`${parsed.node} has confirmed ${parsed.block}, which is of ${owners.get(parsed.block.toString())}`);
  }
  return { problems, allocations };
}
