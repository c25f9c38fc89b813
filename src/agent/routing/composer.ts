import type { LocRibChange, Path } from "../../bgp/types.ts";
import type { DesiredForwarding, DesiredRoute } from "../../fib/types.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import { PrefixMap, PrefixSet } from "../../net/prefix-map.ts";
import { PrefixTrie } from "../../net/prefix-trie.ts";
import { originatedAttributes } from "./origination.ts";
import type { RoutingBlock, RoutingChanges, RoutingPool, RoutingWorkload } from "./sources.ts";

export interface RouteComposerOptions {
  readonly nodeName: string;
  /** Linux metric of pod routes and of routes learned by BGP. */
  readonly metric: number;
  /** The node that has this address, if it is one of the cluster's. */
  readonly nodeOfAddress: (address: IpAddress) => string | undefined;
}

/**
 * Turns what is known — pools, block owners, pods of this node, the Loc-RIB — into the routes the kernel shall have and the
 * routes BGP shall announce. Pure state: each call takes a change of one source and returns what follows from it, at a cost
 * in proportion to the change. For one prefix a local pod beats an own block, and both beat what BGP says.
 */
export class RouteComposer {
  readonly #options: RouteComposerOptions;
  readonly #pools = new PrefixTrie<RoutingPool>();
  #poolList: readonly RoutingPool[] = [];
  /** Of every block the nodes that have something to do with it. */
  readonly #blocks = new PrefixMap<Map<string, RoutingBlock>>();
  readonly #workloads = new PrefixMap<RoutingWorkload>();
  readonly #learned = new PrefixMap<readonly Path[]>();
  readonly #ownBlocks = new PrefixSet();
  /**
   * Prefixes that have a route. Others are never removed: the kernel may hold a route from before a restart there, which
   * has to stay until BGP has had time to say it again.
   */
  readonly #composed = new PrefixSet();

  constructor(options: RouteComposerOptions) {
    this.#options = options;
  }

  /** The whole set of pools. Routes inside pools that changed are composed again. */
  setPools(pools: readonly RoutingPool[]): RoutingChanges {
    const changed = [...pools, ...this.#poolList].filter(
      (pool) => !(contains(pools, pool) && contains(this.#poolList, pool)),
    );
    for (const pool of this.#poolList) this.#pools.delete(pool.cidr);
    for (const pool of pools) this.#pools.set(pool.cidr, pool);
    this.#poolList = pools;
    const touched: Prefix[] = [];
    if (changed.length > 0)
      for (const [prefix] of this.#learned)
        if (changed.some((pool) => pool.cidr.contains(prefix))) touched.push(prefix);
    return this.#changesFor(touched, { announce: [], withdraw: [] });
  }

  /** Changes between nodes and blocks. */
  updateBlocks(changes: readonly RoutingBlock[]): RoutingChanges {
    const wasBorrowed = new PrefixSet(this.#borrowedAddresses());
    const announce: Prefix[] = [];
    const withdraw: Prefix[] = [];
    for (const change of changes) {
      this.#remember(change);
      if (change.node !== this.#options.nodeName) continue;
      const own = change.state === "confirmed";
      if (own && !this.#ownBlocks.has(change.block)) announce.push(change.block);
      if (!own && this.#ownBlocks.has(change.block)) withdraw.push(change.block);
      if (own) this.#ownBlocks.add(change.block);
      else this.#ownBlocks.delete(change.block);
    }
    const isBorrowed = new PrefixSet(this.#borrowedAddresses());
    for (const address of isBorrowed) if (!wasBorrowed.has(address)) announce.push(address);
    for (const address of wasBorrowed) if (!isBorrowed.has(address)) withdraw.push(address);
    const touched = [...changes.map((change) => change.block), ...announce, ...withdraw];
    return this.#changesFor(touched, { announce, withdraw });
  }

  /** Pods of this node that came or went. */
  updateWorkloads(added: readonly RoutingWorkload[], removed: readonly Prefix[]): RoutingChanges {
    for (const address of removed) this.#workloads.delete(address);
    for (const workload of added) this.#workloads.set(workload.address, workload);
    const announce = added.map((workload) => workload.address).filter((address) => this.#isBorrowed(address));
    return this.#changesFor([...removed, ...added.map((workload) => workload.address)], {
      announce,
      withdraw: removed.filter((address) => this.#isBorrowed(address)),
    });
  }

  /** A batch of the Loc-RIB. Paths that this node originates itself are not learned and are left out. */
  updateLearned(changes: readonly LocRibChange[]): RoutingChanges {
    for (const { prefix, paths } of changes) {
      const fromPeers = paths.filter((path) => path.source.kind === "peer");
      if (fromPeers.length === 0) this.#learned.delete(prefix);
      else this.#learned.set(prefix, fromPeers);
    }
    return this.#changesFor(
      changes.map((change) => change.prefix),
      { announce: [], withdraw: [] },
    );
  }

  #remember(change: RoutingBlock): void {
    const claims = this.#blocks.get(change.block) ?? new Map<string, RoutingBlock>();
    if (change.state === "released") claims.delete(change.node);
    else claims.set(change.node, change);
    if (claims.size === 0) this.#blocks.delete(change.block);
    else this.#blocks.set(change.block, claims);
  }

  /** The owner of a block, or without one somebody who would like to be or was. */
  #claimOn(block: Prefix): RoutingBlock | undefined {
    const claims = [...(this.#blocks.get(block)?.values() ?? [])];
    return claims.find((claim) => claim.state === "confirmed") ?? claims[0];
  }

  poolOf(prefix: Prefix): RoutingPool | undefined {
    return this.#pools.longestMatchPrefix(prefix)?.[1];
  }

  blockOf(prefix: Prefix): RoutingBlock | undefined {
    for (const [block] of this.#blocks) if (block.contains(prefix)) return this.#claimOn(block);
    return undefined;
  }

  ownedBlocks(): RoutingBlock[] {
    return [...this.#blocks.values()].flatMap((claims) => claims.get(this.#options.nodeName) ?? []);
  }

  workloadOf(address: Prefix): RoutingWorkload | undefined {
    return this.#workloads.get(address);
  }

  /** The paths behind a route that was learned by BGP, best first; empty if it was not. */
  learnedPaths(prefix: Prefix): readonly Path[] {
    return this.#learned.get(prefix) ?? [];
  }

  #changesFor(
    touched: readonly Prefix[],
    originate: { announce: readonly Prefix[]; withdraw: readonly Prefix[] },
  ): RoutingChanges {
    const set: DesiredRoute[] = [];
    const remove: Prefix[] = [];
    for (const prefix of new PrefixSet(touched)) {
      const route = this.#compose(prefix);
      if (route !== undefined) {
        this.#composed.add(prefix);
        set.push(route);
      } else if (this.#composed.delete(prefix)) remove.push(prefix);
    }
    return {
      fib: { set, remove },
      originate: {
        announce: originate.announce.map((prefix) => ({ prefix, attributes: originatedAttributes })),
        withdraw: originate.withdraw,
      },
    };
  }

  #compose(prefix: Prefix): DesiredRoute | undefined {
    const workload = this.#workloads.get(prefix);
    if (workload !== undefined)
      return {
        prefix,
        kind: "workload",
        forwarding: { mode: "device", device: workload.device },
        metric: this.#options.metric,
        node: this.#options.nodeName,
        reason: `pod ${workload.pod} on this node`,
      };
    // A block of a single address has no room for addresses without a pod, so it needs no blackhole.
    if (this.#ownBlocks.has(prefix) && !prefix.isHost)
      return {
        prefix,
        kind: "local-block",
        forwarding: { mode: "blackhole" },
        metric: 0,
        node: this.#options.nodeName,
        reason: `own block${this.#poolText(prefix)}; addresses without a pod end here`,
      };
    const paths = this.#learned.get(prefix);
    return paths === undefined ? undefined : this.#composeLearned(prefix, paths);
  }

  #composeLearned(prefix: Prefix, paths: readonly Path[]): DesiredRoute | undefined {
    const [best] = paths;
    if (best === undefined || best.source.kind !== "peer") return undefined;
    const pool = this.poolOf(prefix);
    const kind = pool === undefined ? "external" : prefix.isHost ? "borrowed" : "remote-block";
    const node = this.#ownerOf(prefix, best, kind);
    const stale = paths.every((path) => path.stale);
    return {
      prefix,
      kind,
      forwarding: this.#forwardingOf(paths, pool),
      metric: this.#options.metric,
      ...(node === undefined ? {} : { node }),
      ...(stale ? { stale } : {}),
      reason:
        unsupportedMode(pool) ??
        `learned from ${best.source.peer}${node === undefined ? "" : `, node ${node}`}${this.#poolText(prefix)}`,
    };
  }

  #ownerOf(prefix: Prefix, best: Path, kind: DesiredRoute["kind"]): string | undefined {
    if (kind === "remote-block") {
      const owner = this.#claimOn(prefix);
      if (owner !== undefined) return owner.node;
    }
    return best.nextHop === undefined ? undefined : this.#options.nodeOfAddress(best.nextHop.address);
  }

  #forwardingOf(paths: readonly Path[], pool: RoutingPool | undefined): DesiredForwarding {
    const gateways = paths.flatMap((path) => (path.nextHop === undefined ? [] : [path.nextHop.address]));
    const [first] = gateways;
    if (first === undefined) return { mode: "none", state: "unresolved", intended: "direct" };
    if (pool !== undefined && pool.ipipMode !== "Never")
      return { mode: "none", state: "unresolved", intended: "ipip", nextHop: first };
    if (pool !== undefined && pool.vxlanMode !== "Never")
      return { mode: "none", state: "unresolved", intended: "vxlan", nextHop: first };
    return { mode: "direct", nextHops: gateways.map((gateway) => ({ gateway })) };
  }

  #poolText(prefix: Prefix): string {
    const pool = this.poolOf(prefix);
    return pool === undefined ? "" : ` in pool ${pool.name}`;
  }

  #isBorrowed(address: Prefix): boolean {
    for (const block of this.#ownBlocks) if (block.contains(address)) return false;
    return true;
  }

  #borrowedAddresses(): Prefix[] {
    return [...this.#workloads].map(([address]) => address).filter((address) => this.#isBorrowed(address));
  }
}

/** Why routes of this pool cannot be programmed, if so. */
function unsupportedMode(pool: RoutingPool | undefined): string | undefined {
  if (pool === undefined) return undefined;
  const wanted = pool.ipipMode !== "Never" ? `ipipMode ${pool.ipipMode}` : `vxlanMode ${pool.vxlanMode}`;
  if (wanted === "vxlanMode Never") return undefined;
  return `pool ${pool.name} has ${wanted}, which this version cannot program; set it to Never for direct routes`;
}

function contains(pools: readonly RoutingPool[], wanted: RoutingPool): boolean {
  return pools.some(
    (pool) =>
      pool.name === wanted.name &&
      pool.cidr.equals(wanted.cidr) &&
      pool.ipipMode === wanted.ipipMode &&
      pool.vxlanMode === wanted.vxlanMode &&
      pool.disableBgpExport === wanted.disableBgpExport,
  );
}
