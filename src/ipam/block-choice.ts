import type { Prefix } from "../net/prefix.ts";
import { type Block, isEmpty, ownerOfNode } from "./block.ts";
import { blockOrder } from "./block-order.ts";
import type { IpamPool } from "./pool-selection.ts";

/** An empty block of another node is left alone for this long after its claim: its node may be about to use it. */
const RECLAIM_AFTER_MS = 60_000;

/** The next block to try when a node's own are full. */
export type BlockChoice =
  | { readonly type: "claim"; readonly block: Prefix }
  /** Empty blocks of other nodes, which might be taken over. */
  | { readonly type: "reclaim"; readonly candidates: readonly Block[] };

/**
 * Chooses a block of the first pool that has one without an owner, or one of this node's with a free address (whose claim
 * was cut short). `blocks` are all that exist; `avoid` holds texts of blocks that turned out not to be available.
 */
export function chooseBlock(
  pools: readonly IpamPool[],
  blocks: readonly Block[],
  context: {
    readonly node: string;
    readonly nowMs: number;
    readonly random: () => number;
    readonly avoid: Set<string>;
  },
): BlockChoice {
  const existing = new Map(blocks.map((block) => [block.cidr.toString(), block]));
  const candidates: Block[] = [];
  for (const pool of pools)
    for (const cidr of blockOrder(pool.cidr, pool.blockSize, context.node, context.random)) {
      const text = cidr.toString();
      if (context.avoid.has(text)) continue;
      const block = existing.get(text);
      if (block === undefined) {
        if (!blocks.some((other) => other.cidr.overlaps(cidr))) return { type: "claim", block: cidr };
      } else if (block.affinity === ownerOfNode(context.node)) {
        if (block.unallocated.length > 0) return { type: "claim", block: cidr };
      } else if (isReclaimable(block, context.nowMs)) candidates.push(block);
    }
  return { type: "reclaim", candidates };
}

/** The node that a block belongs to; undefined for load-balancer blocks and those without an owner. */
export function nodeOf(block: Block): string | undefined {
  return block.affinity?.startsWith("host:") ? block.affinity.slice("host:".length) : undefined;
}

function isReclaimable(block: Block, nowMs: number): boolean {
  const claimedMs = block.affinityClaimTime === undefined ? 0 : Date.parse(block.affinityClaimTime);
  return isEmpty(block) && nodeOf(block) !== undefined && nowMs - claimedMs >= RECLAIM_AFTER_MS;
}
