import { type ForwardingPath, forwardingPathOf, type LocRibRows } from "../../bgp/loc-rib-rows.ts";
import type { DesiredRoute, RouteSink, RouteWish } from "../../fib/types.ts";
import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { enlarged, PrefixIndex } from "../../net/prefix-index.ts";
import { PrefixMap, PrefixSet } from "../../net/prefix-map.ts";
import { BlockClaims } from "./block-claims.ts";
import type { UsedPaths } from "./block-paths.ts";
import type { EncapsulationContext } from "./encapsulation.ts";
import { GatheredRoutes } from "./gathered-routes.ts";
import { LearnedComposer } from "./learned-composer.ts";
import { LearnedRoutes } from "./learned-routes.ts";
import { NodeNames } from "./node-names.ts";
import { originatedAttributes } from "./origination.ts";
import { PeerRoutes } from "./peer-routes.ts";
import { PoolTable } from "./pool-table.ts";
import { isElevated, normalMetric } from "./priority.ts";
import type {
  PeerRoute,
  RoutingBlock,
  RoutingChanges,
  RoutingPool,
  RoutingWorkload,
  ServiceRanges,
} from "./sources.ts";
import { Ways } from "./ways.ts";

/** Holders of rows beside the FIB's and the one of `LearnedRoutes`: prefixes that have a route, and the one that is being worked on. */
const composed = 64;
const inWork = 128;

export interface RouteComposerOptions {
  readonly nodeName: string;
  /**
   * Linux metric of all routes but blackholes; auto: 1024, and for routes learned by BGP what their LOCAL_PREF says, as
   * with Calico from v3.32 on.
   */
  readonly metric: number | "auto";
  /** The node that has this address, if it is one of the cluster's; after a change of it call `nodesChanged`. */
  readonly nodeOfAddress: (address: IpAddress) => string | undefined;
  /** What decides now how next hops are reached; after a change of it call `encapsulationChanged`. */
  readonly encapsulation: () => EncapsulationContext;
  /** What numbers prefixes; that of the FIB, if it takes routes by their rows. Default: one of our own. */
  readonly index?: PrefixIndex;
}

/**
 * Turns what is known — pools, block owners, pods of this node, the Loc-RIB — into the routes the kernel shall have and the
 * routes BGP shall announce. Pure state: each call takes a change of one source and returns what follows from it, at a cost
 * in proportion to the change. For one prefix a local pod beats an own block, that the way to a peer, and all beat what
 * BGP says; only an elevated route beats a pod.
 */
export class RouteComposer {
  readonly #options: RouteComposerOptions;
  readonly #pools = new PoolTable();
  readonly #claims = new BlockClaims();
  readonly #workloads = new PrefixMap<RoutingWorkload>();
  #tunnelAddresses: readonly Prefix[] = [];
  #services: ServiceRanges = { all: [], outside: [], announced: [] };
  readonly #peerRoutes = new PeerRoutes();
  readonly #index: PrefixIndex;
  readonly #learned: LearnedRoutes;
  readonly #nodes: NodeNames;
  readonly #ownBlocks = new PrefixSet();
  readonly #ways = new Ways();
  readonly #learnedComposer: LearnedComposer;
  /** Of each row of the Loc-RIB, while its prefix has paths here, 1 more than the row of our index, which is held meanwhile. */
  #rowOf = new Uint32Array(0);

  constructor(options: RouteComposerOptions) {
    this.#options = options;
    this.#index = options.index ?? new PrefixIndex();
    this.#learned = new LearnedRoutes(this.#index);
    this.#nodes = new NodeNames(options.nodeOfAddress);
    this.#learnedComposer = new LearnedComposer({
      metric: options.metric,
      pools: this.#pools,
      claims: this.#claims,
      nodes: this.#nodes,
      ways: this.#ways,
      peerRoutes: this.#peerRoutes,
      services: () => this.#services,
    });
  }

  /** The whole set of pools. Routes inside pools that changed are composed again. */
  setPools(pools: readonly RoutingPool[]): RoutingChanges {
    const changed = this.#pools.replace(pools);
    return this.#changesFor(this.#learned.within(changed.map(({ cidr }) => cidr)));
  }

  /** Changes between nodes and blocks. */
  updateBlocks(changes: readonly RoutingBlock[]): RoutingChanges {
    for (const change of changes) this.#claims.apply(change);
    const own = changes.filter(({ node }) => node === this.#options.nodeName);
    const blocks = changes.map(({ block }) => block);
    if (own.length === 0) return this.#changesFor(blocks);
    const before = this.#originated();
    for (const { block, state } of own)
      if (state === "confirmed") this.#ownBlocks.add(block);
      else this.#ownBlocks.delete(block);
    return this.#changesFor(blocks, difference(before, this.#originated()));
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
    const before = this.#originated();
    this.#tunnelAddresses = addresses;
    return this.#changesFor([], difference(before, this.#originated()));
  }

  /** The whole of the service ranges: announced without a route of our own, and no reason to write what others announce. */
  setServices(services: ServiceRanges): RoutingChanges {
    const before = this.#originated();
    const ranges = [...this.#services.all, ...services.all];
    this.#services = services;
    return this.#changesFor(this.#learned.within(ranges), difference(before, this.#originated()));
  }

  /**
   * Rows of the Loc-RIB that changed; what follows goes to the sink. Paths that this node originates itself are not learned and
   * are left out. Those without a way to their next hop are taken where there is no other, so that the route is there to be seen.
   */
  updateLearned(rows: Int32Array | readonly number[], table: LocRibRows, sink: RouteSink): void {
    const context = this.#options.encapsulation();
    this.#learnedComposer.begin();
    for (let index = 0; index < rows.length; index++) this.#learn(rows[index] ?? 0, table, context, sink);
  }

  #learn(told: number, table: LocRibRows, context: EncapsulationContext, sink: RouteSink): void {
    if (told >= this.#rowOf.length) this.#rowOf = enlarged(this.#rowOf, Math.max(64, told * 2));
    const known = this.#rowOf[told] ?? 0;
    const prefix = table.prefixOf(told);
    const row = known === 0 ? this.#index.hold(prefix, inWork) : known - 1;
    this.#index.holdRow(row, inWork);
    const only = table.onlyPathOf(told);
    const hasPaths =
      only?.source.kind === "peer"
        ? this.#learned.setOnly(row, only)
        : this.#learned.set(row, learnedPathsOf(table, told));
    this.#rowOf[told] = hasPaths ? row + 1 : 0;
    if (!hasPaths) this.#ways.forget(prefix);
    this.#addChange(sink, prefix, row, context);
  }

  /** The whole set of ways to peers. What was learned with such a peer as next hop is composed again. */
  setPeerRoutes(routes: readonly PeerRoute[]): RoutingChanges {
    const changed = this.#peerRoutes.replace(routes);
    return this.#changesFor([...changed, ...this.#learned.through(changed)]);
  }

  /** Nodes came to these addresses or left them: composes again what was learned with such a next hop. */
  nodesChanged(addresses: readonly IpAddress[]): RoutingChanges {
    return this.#changesFor(this.#learned.through(this.#nodes.changed(addresses)));
  }

  /**
   * Routes that the kernel has from an earlier run. Where a tunnel is not ready again yet they go on as they are, instead of
   * being taken for routes that lead nowhere.
   */
  adopt(routes: readonly DesiredRoute[]): void {
    for (const { prefix, forwarding, mtu } of routes)
      if ("nextHops" in forwarding) this.#ways.adopt(prefix, mtu === undefined ? { forwarding } : { forwarding, mtu });
  }

  /** A tunnel device came or went: composes again what may go through it. */
  encapsulationChanged(): RoutingChanges {
    return this.#changesFor(this.#learned.within(this.#pools.tunnelled().map(({ cidr }) => cidr)));
  }

  /** The tunnels of the nodes with these addresses came or went: composes again what has such a next hop. */
  tunnelPeersChanged(addresses: readonly IpAddress[]): RoutingChanges {
    return this.#changesFor(this.#learned.through(addresses.map(Prefix.host)));
  }

  poolOf(prefix: Prefix): RoutingPool | undefined {
    return this.#pools.of(prefix);
  }

  blockOf(prefix: Prefix): RoutingBlock | undefined {
    return this.#claims.covering(prefix);
  }

  ownedBlocks(): RoutingBlock[] {
    return this.#claims.ofNode(this.#options.nodeName);
  }

  /** Every block of the cluster that has an owner. */
  confirmedBlocks(): RoutingBlock[] {
    return this.#claims.confirmed();
  }

  /** The address to which packets for a next hop are sent: itself, or the gateway of the BGPPeer that it is (`reachableBy`). */
  gatewayTo(nextHop: IpAddress): IpAddress {
    return this.#peerRoutes.gatewayOf(nextHop) ?? nextHop;
  }

  workloadOf(address: Prefix): RoutingWorkload | undefined {
    return this.#workloads.get(address);
  }

  /** The way to a peer, if the route to exactly this prefix is that. */
  peerRouteTo(prefix: Prefix): PeerRoute | undefined {
    return this.#workloads.has(prefix) ? undefined : this.#peerRoutes.get(prefix);
  }

  /** The paths that are used of a route that was learned by BGP, best first; empty if it was not. */
  usedPaths(prefix: Prefix): UsedPaths {
    return this.#learnedComposer.usedOf(this.#learned.get(prefix), this.#claims.ownerOf(prefix));
  }

  /** As `#changesOf`, for prefixes of which some may be there twice. */
  #changesFor(touched: readonly Prefix[], originate?: OriginatedChange): RoutingChanges {
    return this.#changesOf(new PrefixSet(touched), originate);
  }

  #changesOf(prefixes: Iterable<Prefix>, originate: OriginatedChange = { announce: [], withdraw: [] }): RoutingChanges {
    const fib = new GatheredRoutes(this.#index);
    const context = this.#options.encapsulation();
    this.#learnedComposer.begin();
    for (const prefix of prefixes) this.#addChange(fib, prefix, this.#index.hold(prefix, inWork), context);
    return {
      fib,
      originate: {
        announce: originate.announce.map((prefix) => ({ prefix, attributes: originatedAttributes })),
        withdraw: originate.withdraw,
      },
    };
  }

  /**
   * Only prefixes that have a route are ever removed: the kernel may hold a route from before a restart at others, which has to
   * stay until BGP has had time to say it again. Gives back the row, which is held as `inWork`.
   */
  #addChange(sink: RouteSink, prefix: Prefix, row: number, context: EncapsulationContext): void {
    const wish = this.#compose(prefix, row, context);
    if (wish !== undefined) {
      this.#index.holdRow(row, composed);
      sink.want(row, wish);
    } else if (this.#index.isHeld(row, composed)) {
      this.#index.release(row, composed);
      sink.drop(row);
    }
    this.#index.release(row, inWork);
  }

  #compose(prefix: Prefix, row: number, context: EncapsulationContext): RouteWish | undefined {
    const learned = this.#learnedComposer.compose(prefix, this.#learned.at(row), context);
    const workload = prefix.isHost ? this.#workloads.get(prefix) : undefined;
    if (workload !== undefined) return this.#composeWorkload(workload, learned);
    // A block of a single address has no room for addresses without a pod, so it needs no blackhole.
    if (this.#ownBlocks.has(prefix) && !prefix.isHost)
      return {
        kind: "local-block",
        forwarding: { mode: "blackhole" },
        metric: 0,
        node: this.#options.nodeName,
        reason: `own block${this.#poolText(prefix)}; addresses without a pod end here`,
      };
    const peerRoute = this.#peerRoutes.get(prefix);
    return peerRoute === undefined ? learned : this.#composePeerRoute(peerRoute);
  }

  #composeWorkload({ address, device, pod }: RoutingWorkload, learned: RouteWish | undefined): RouteWish {
    const moved = isElevated(this.#learned.get(address)[0]?.localPref);
    if (learned !== undefined && moved && learned.forwarding.mode !== "none")
      return { ...learned, reason: `elevated above pod ${pod} on this node; ${learned.reason}` };
    return {
      kind: "workload",
      forwarding: { mode: "device", device },
      metric: this.#normalMetric,
      node: this.#options.nodeName,
      reason: `pod ${pod} on this node`,
    };
  }

  #composePeerRoute({ gateway, peer }: PeerRoute): RouteWish {
    return {
      kind: "external",
      forwarding: { mode: "direct", nextHops: [{ gateway }] },
      metric: this.#normalMetric,
      reason: `the way to the peer of BGPPeer ${peer}, reachableBy ${gateway}`,
    };
  }

  get #normalMetric(): number {
    return this.#options.metric === "auto" ? normalMetric : this.#options.metric;
  }

  #poolText(prefix: Prefix): string {
    const pool = this.poolOf(prefix);
    return pool === undefined ? "" : ` in pool ${pool.name}`;
  }

  #isBorrowed(address: Prefix): boolean {
    for (const block of this.#ownBlocks) if (block.contains(address)) return false;
    return true;
  }

  /** What this node announces: its blocks, and addresses that it has from others' blocks. */
  #originated(): PrefixSet {
    const held = [...this.#workloads.keys(), ...this.#tunnelAddresses];
    const borrowed = held.filter((address) => this.#isBorrowed(address));
    return new PrefixSet([...this.#ownBlocks, ...borrowed, ...this.#services.announced]);
  }
}

const nothing: readonly ForwardingPath[] = [];

function learnedPathsOf(table: LocRibRows, row: number): readonly ForwardingPath[] {
  if (table.isGone(row)) return nothing;
  const { paths, unresolved = [] } = table.changeOf(row);
  const candidates = paths.length > 0 ? paths : unresolved;
  return candidates.filter(({ source }) => source.kind === "peer").map(forwardingPathOf);
}

interface OriginatedChange {
  readonly announce: readonly Prefix[];
  readonly withdraw: readonly Prefix[];
}

function difference(before: PrefixSet, after: PrefixSet): OriginatedChange {
  return {
    announce: [...after].filter((prefix) => !before.has(prefix)),
    withdraw: [...before].filter((prefix) => !after.has(prefix)),
  };
}
