import type { Prefix } from "../net/prefix.ts";

/** A pool with more blocks than this is used up to here: more than any cluster has. */
const MAX_BLOCKS = 2 ** 32;

/**
 * All blocks of a pool in the order in which a node tries to claim them: from a place that depends on the node's name, so
 * that nodes seldom want the same block, around to the block before it. Blocks of one address start at random instead
 * (`random` in [0, 1)), since a node needs one per pod. Every implementation may choose its own order.
 */
export function* blockOrder(pool: Prefix, blockSize: number, node: string, random: () => number): Generator<Prefix> {
  const count = Math.min(MAX_BLOCKS, 2 ** (blockSize - pool.length));
  const start = blockSize === pool.bits ? Math.floor(random() * count) : mix(fnv1(node)) % count;
  for (let step = 0; step < count; step++) yield pool.subnet(blockSize, (start + step) % count);
}

/** FNV-1 of 32 bits over the UTF-8 bytes: multiply, then xor. The hash that Calico starts from, too. */
export function fnv1(text: string): number {
  let hash = 2166136261;
  for (const byte of Buffer.from(text)) hash = (Math.imul(hash, 16777619) ^ byte) >>> 0;
  return hash;
}

/** Spreads names that differ in their last digit, like node-1 and node-2, over the whole range. */
function mix(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
