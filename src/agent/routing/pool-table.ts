import type { Prefix } from "../../net/prefix.ts";
import { PrefixTrie } from "../../net/prefix-trie.ts";
import type { RoutingPool } from "./sources.ts";

/** The pools, and which one a prefix is in. */
export class PoolTable {
  readonly #trie = new PrefixTrie<RoutingPool>();
  #pools: readonly RoutingPool[] = [];

  /** Takes the whole set; returns those that came, went or changed, as they are and as they were. */
  replace(pools: readonly RoutingPool[]): RoutingPool[] {
    const before = this.#pools;
    const changed = [...pools, ...before].filter((pool) => !(contains(pools, pool) && contains(before, pool)));
    for (const pool of before) this.#trie.delete(pool.cidr);
    for (const pool of pools) this.#trie.set(pool.cidr, pool);
    this.#pools = pools;
    return changed;
  }

  /** The pool that a prefix is in. */
  of(prefix: Prefix): RoutingPool | undefined {
    return this.#pools.length === 0 ? undefined : this.#trie.longestMatchPrefix(prefix)?.[1];
  }

  /** Those whose routes may go through a tunnel. */
  tunnelled(): RoutingPool[] {
    return this.#pools.filter(({ ipipMode, vxlanMode, udpMode }) =>
      [ipipMode, vxlanMode, udpMode].some((mode) => mode !== "Never"),
    );
  }
}

function contains(pools: readonly RoutingPool[], wanted: RoutingPool): boolean {
  return pools.some(
    (pool) =>
      pool.name === wanted.name &&
      pool.cidr.equals(wanted.cidr) &&
      pool.ipipMode === wanted.ipipMode &&
      pool.vxlanMode === wanted.vxlanMode &&
      pool.udpMode === wanted.udpMode &&
      pool.disableBgpExport === wanted.disableBgpExport,
  );
}
