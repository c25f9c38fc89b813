import type { Prefix } from "../net/prefix.ts";
import { assignableOrdinals, type Block, isEmpty, ownerOfNode } from "./block.ts";
import { blockOrder } from "./block-order.ts";
import type { IpamPool } from "./pool-selection.ts";
import type { Reservations } from "./reservations.ts";

/** An empty block of another node is left alone for this long after its claim: its node may be about to use it. */
const RECLAIM_AFTER_MS = 60_000;

/** The next block to try when a node's own are full. */
export type BlockChoice =
  | { readonly type: "claim"; readonly block: Prefix }
  /** Empty blocks of other nodes, which might be taken over. */
  | { readonly type: "reclaim"; readonly candidates: readonly Block[] };

export interface BlockChoiceContext {
  readonly node: string;
  readonly nowMs: number;
  readonly random: () => number;
  /** Texts of blocks that turned out not to be available. */
  readonly avoid: ReadonlySet<string>;
  readonly reserved: Reservations;
  /** True for a block that nobody owns but that somebody uses, as the routes say. */
  readonly isUsedElsewhere: (block: Prefix) => boolean;
}

/**
 * Chooses a block of the first pool that has one without an owner, or one of this node's with a free address (whose claim
 * was cut short), or one that has outlived its owner and is empty. `blocks` are all that exist. Blocks that are reserved as a whole don't count.
 */
export function chooseBlock(
  pools: readonly IpamPool[],
  blocks: readonly Block[],
  context: BlockChoiceContext,
): BlockChoice {
  const { node, nowMs, random, avoid, reserved, isUsedElsewhere } = context;
  const existing = new Map(blocks.map((block) => [block.cidr.toString(), block]));
  const candidates: Block[] = [];
  for (const pool of pools)
    for (const cidr of blockOrder(pool.cidr, pool.blockSize, node, random)) {
      const text = cidr.toString();
      if (avoid.has(text) || reserved.covers(cidr)) continue;
      const block = existing.get(text);
      if (block === undefined) {
        const isFree = !blocks.some((other) => other.cidr.overlaps(cidr)) && !isUsedElsewhere(cidr);
        if (isFree) return { type: "claim", block: cidr };
      } else if (block.affinity === null) {
        if (isEmpty(block)) return { type: "claim", block: cidr };
      } else if (block.affinity === ownerOfNode(node)) {
        if (assignableOrdinals(block, reserved).length > 0) return { type: "claim", block: cidr };
      } else if (isReclaimable(block, nowMs)) candidates.push(block);
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
