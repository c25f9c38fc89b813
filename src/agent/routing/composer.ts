import type { LocRibChange, Path } from "../../bgp/types.ts";
import type { DesiredRoute } from "../../fib/types.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import { PrefixMap, PrefixSet } from "../../net/prefix-map.ts";
import { PrefixTrie } from "../../net/prefix-trie.ts";
import { chooseWay, type EncapsulationContext, type Way } from "./encapsulation.ts";
import { originatedAttributes } from "./origination.ts";
import type { RoutingBlock, RoutingChanges, RoutingPool, RoutingWorkload } from "./sources.ts";

export interface RouteComposerOptions {
  readonly nodeName: string;
  /** Linux metric of pod routes and of routes learned by BGP. */
  readonly metric: number;
  /** The node that has this address, if it is one of the cluster's. */
  readonly nodeOfAddress: (address: IpAddress) => string | undefined;
  /** What decides now how next hops are reached; after a change of it call `encapsulationChanged`. */
  readonly encapsulation: () => EncapsulationContext;
}

/** The last way to a destination that worked, and the next hops that it was for. */
interface LastWay {
  readonly way: Way;
  readonly nextHops: readonly IpAddress[];
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
  #tunnelAddresses: readonly Prefix[] = [];
  readonly #learned = new PrefixMap<readonly Path[]>();
  readonly #ownBlocks = new PrefixSet();
  /**
   * Prefixes that have a route. Others are never removed: the kernel may hold a route from before a restart there, which
   * has to stay until BGP has had time to say it again.
   */
  readonly #composed = new PrefixSet();
  /** Of routes inside the pools, so that a change of mode breaks nothing before the new way is there. */
  readonly #lastWays = new PrefixMap<LastWay>();

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
    const borrowed = this.#borrowedDifference(wasBorrowed);
    announce.push(...borrowed.announce);
    withdraw.push(...borrowed.withdraw);
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

  /** The addresses of this node's tunnel devices. One from another node's block is announced, as a pod's would be. */
  setTunnelAddresses(addresses: readonly Prefix[]): RoutingChanges {
    const wasBorrowed = new PrefixSet(this.#borrowedAddresses());
    this.#tunnelAddresses = addresses;
    return this.#changesFor([], this.#borrowedDifference(wasBorrowed));
  }

  /** A batch of the Loc-RIB. Paths that this node originates itself are not learned and are left out. */
  updateLearned(changes: readonly LocRibChange[]): RoutingChanges {
    for (const { prefix, paths } of changes) {
      const fromPeers = paths.filter((path) => path.source.kind === "peer");
      if (fromPeers.length > 0) this.#learned.set(prefix, fromPeers);
      else {
        this.#learned.delete(prefix);
        this.#lastWays.delete(prefix);
      }
    }
    return this.#changesFor(
      changes.map((change) => change.prefix),
      { announce: [], withdraw: [] },
    );
  }

  /** A tunnel device or a node's tunnel address came or went: composes again what depends on it. */
  encapsulationChanged(): RoutingChanges {
    const tunnelled = this.#poolList.filter((pool) => pool.ipipMode !== "Never" || pool.vxlanMode !== "Never");
    const touched: Prefix[] = [];
    if (tunnelled.length > 0)
      for (const [prefix] of this.#learned)
        if (tunnelled.some((pool) => pool.cidr.contains(prefix))) touched.push(prefix);
    return this.#changesFor(touched, { announce: [], withdraw: [] });
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

  /** Every block of the cluster that has an owner. */
  confirmedBlocks(): RoutingBlock[] {
    return [...this.#blocks.values()].flatMap((claims) =>
      [...claims.values()].filter((claim) => claim.state === "confirmed"),
    );
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
    const way = this.#wayOf(prefix, paths, pool);
    const learned = `learned from ${best.source.peer}${node === undefined ? "" : `, node ${node}`}${this.#poolText(prefix)}`;
    return {
      prefix,
      kind,
      forwarding: way.forwarding,
      metric: this.#options.metric,
      ...(way.mtu === undefined ? {} : { mtu: way.mtu }),
      ...(node === undefined ? {} : { node }),
      ...(stale ? { stale } : {}),
      reason: way.note === undefined ? learned : `${way.note}; ${learned}`,
    };
  }

  #ownerOf(prefix: Prefix, best: Path, kind: DesiredRoute["kind"]): string | undefined {
    if (kind === "remote-block") {
      const owner = this.#claimOn(prefix);
      if (owner !== undefined) return owner.node;
    }
    return best.nextHop === undefined ? undefined : this.#options.nodeOfAddress(best.nextHop.address);
  }

  /** The way to the next hops; while the one that the pool asks for is not there yet, the last one that was. */
  #wayOf(prefix: Prefix, paths: readonly Path[], pool: RoutingPool | undefined): Way {
    const nextHops = paths.flatMap((path) => (path.nextHop === undefined ? [] : [path.nextHop.address]));
    const way = chooseWay(nextHops, pool, this.#options.encapsulation());
    if (pool === undefined) return way;
    if (way.forwarding.mode !== "none") {
      this.#lastWays.set(prefix, { way, nextHops });
      return way;
    }
    const last = this.#lastWays.get(prefix);
    if (last === undefined || !sameAddresses(last.nextHops, nextHops)) return way;
    return { ...last.way, note: `still ${last.way.forwarding.mode}: ${way.note}` };
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
    const held = [...this.#workloads.keys(), ...this.#tunnelAddresses];
    return held.filter((address) => this.#isBorrowed(address));
  }

  #borrowedDifference(before: PrefixSet): { announce: Prefix[]; withdraw: Prefix[] } {
    const now = new PrefixSet(this.#borrowedAddresses());
    return {
      announce: [...now].filter((address) => !before.has(address)),
      withdraw: [...before].filter((address) => !now.has(address)),
    };
  }
}

function sameAddresses(left: readonly IpAddress[], right: readonly IpAddress[]): boolean {
  return left.length === right.length && left.every((address, index) => right[index]?.equals(address));
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
