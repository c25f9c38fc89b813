import type { Prefix } from "../net/prefix.ts";
import { type Block, isEmpty } from "./block.ts";
import { nodeOf } from "./block-choice.ts";
import { IpamError } from "./errors.ts";
import type { IpamPool } from "./pool-selection.ts";

/** Owners named in a message; a large cluster has thousands. */
const NAMED_OWNERS = 8;

/** All blocks of the pools are taken. Says by whom, and which of them are empty. */
export function poolExhausted(pools: readonly IpamPool[], blocks: readonly Block[]): IpamError {
  const cidrs = pools.map((pool) => pool.cidr.toString());
  const holders = countOwners(blocks.filter((block) => pools.some((pool) => pool.cidr.contains(block.cidr))));
  const message =
    `No IPs available in pools: [${cidrs.join(" ")}]; ${describeHolders(holders)}. ` +
    'Add a pool, delete nodes that are gone (calictl delete node), or see "calictl ipam check" for unused addresses';
  return new IpamError("POOL_EXHAUSTED", message, {
    pools: cidrs,
    holders: [...holders].map(([owner, { total, empty }]) => ({ owner, blocks: total, empty })),
  });
}

/** The node has as many blocks as it may. Says which. */
export function blockLimitReached(node: string, limit: number, own: readonly Prefix[]): IpamError {
  return new IpamError(
    "BLOCK_LIMIT",
    `Need to allocate an IPAM block but could not - limit of ${limit} blocks reached for this node (${node} has ` +
      `${own.join(", ") || "none"}); raise maxBlocksPerHost (calictl ipam configure) or move pods to other nodes`,
    { limit, node, blocks: own.map(String) },
  );
}

function countOwners(blocks: readonly Block[]): Map<string, { total: number; empty: number }> {
  const counts = new Map<string, { total: number; empty: number }>();
  for (const block of blocks) {
    const owner = nodeOf(block) ?? block.affinity ?? "no node";
    const count = counts.get(owner) ?? { total: 0, empty: 0 };
    counts.set(owner, { total: count.total + 1, empty: count.empty + (isEmpty(block) ? 1 : 0) });
  }
  return new Map([...counts].sort(([, left], [, right]) => right.total - left.total));
}

function describeHolders(holders: ReadonlyMap<string, { total: number; empty: number }>): string {
  if (holders.size === 0)
    return "they have no block that may be used (all are reserved, or routes say that they are in use)";
  const named = [...holders].slice(0, NAMED_OWNERS).map(([owner, { total, empty }]) => {
    const emptyText = empty === 0 ? "" : ` (${empty} empty)`;
    return `${owner} ${total}${emptyText}`;
  });
  const more = holders.size > NAMED_OWNERS ? `, and ${holders.size - NAMED_OWNERS} more` : "";
  return `their blocks are held by: ${named.join(", ")}${more}`;
}
