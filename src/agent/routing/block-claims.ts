import type { Prefix } from "../../net/prefix.ts";
import { PrefixMap } from "../../net/prefix-map.ts";
import type { RoutingBlock } from "./sources.ts";

/** Of every block of the cluster, the nodes that have something to do with it. */
export class BlockClaims {
  readonly #blocks = new PrefixMap<Map<string, RoutingBlock>>();

  apply(change: RoutingBlock): void {
    const claims = this.#blocks.get(change.block) ?? new Map<string, RoutingBlock>();
    if (change.state === "released") claims.delete(change.node);
    else claims.set(change.node, change);
    if (claims.size === 0) this.#blocks.delete(change.block);
    else this.#blocks.set(change.block, claims);
  }

  /** The owner of exactly this block, or without one somebody who would like to be or was. */
  claimOn(block: Prefix): RoutingBlock | undefined {
    const known = this.#blocks.get(block);
    if (known === undefined) return undefined;
    const claims = [...known.values()];
    return claims.find((claim) => claim.state === "confirmed") ?? claims[0];
  }

  /** The node that owns exactly this block. */
  ownerOf(block: Prefix): string | undefined {
    const claim = this.claimOn(block);
    return claim?.state === "confirmed" ? claim.node : undefined;
  }

  /** The claim on the block that a prefix is in. */
  covering(prefix: Prefix): RoutingBlock | undefined {
    for (const [block] of this.#blocks) if (block.contains(prefix)) return this.claimOn(block);
    return undefined;
  }

  ofNode(node: string): RoutingBlock[] {
    return [...this.#blocks.values()].flatMap((claims) => claims.get(node) ?? []);
  }

  /** Every block that has an owner. */
  confirmed(): RoutingBlock[] {
    return [...this.#blocks.values()].flatMap((claims) =>
      [...claims.values()].filter((claim) => claim.state === "confirmed"),
    );
  }
}
