import type { ForwardingPath } from "../../bgp/loc-rib-rows.ts";
import { sharesOf } from "../../bgp/rib/link-bandwidth.ts";
import type { RouteWish } from "../../fib/types.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { BlockClaims } from "./block-claims.ts";
import { pathsToUse, type UsedPaths } from "./block-paths.ts";
import type { EncapsulationContext, Way } from "./encapsulation.ts";
import { LearnedReason } from "./learned-reason.ts";
import type { NodeNames } from "./node-names.ts";
import type { PeerRoutes } from "./peer-routes.ts";
import type { PoolTable } from "./pool-table.ts";
import { metricOf } from "./priority.ts";
import type { RoutingPool, ServiceRanges } from "./sources.ts";
import type { Ways } from "./ways.ts";
import { WishCache } from "./wish-cache.ts";

/** What is known beside the paths themselves. */
interface LearnedContext {
  readonly metric: number | "auto";
  readonly pools: PoolTable;
  readonly claims: BlockClaims;
  readonly nodes: NodeNames;
  readonly ways: Ways;
  readonly peerRoutes: PeerRoutes;
  readonly services: () => ServiceRanges;
}

/** Makes routes of the paths that BGP has chosen. */
export class LearnedComposer {
  readonly #context: LearnedContext;
  readonly #reason = new LearnedReason();
  readonly #wishes = new WishCache();
  /** The last paths of a prefix outside of all pools and what they came to, while one batch is composed. */
  #outside: { readonly paths: readonly ForwardingPath[]; readonly wish: RouteWish | undefined } | undefined;

  constructor(context: LearnedContext) {
    this.#context = context;
  }

  /** To be called before each batch: what is known may have changed. */
  begin(): void {
    this.#outside = undefined;
  }

  /** Undefined: there is to be no such route. */
  compose(
    prefix: Prefix,
    known: readonly ForwardingPath[],
    encapsulation: EncapsulationContext,
  ): RouteWish | undefined {
    if (known.length === 0) return undefined;
    const { services, pools, claims, ways } = this.#context;
    if (services().all.some((range) => range.contains(prefix))) return undefined;
    const pool = pools.of(prefix);
    const owner = claims.ownerOf(prefix);
    if (pool !== undefined || owner !== undefined) return this.#composeUsed(prefix, known, pool, owner, encapsulation);
    // Outside of all pools and blocks the paths say everything, and prefixes in a row have them in common.
    ways.forget(prefix);
    if (this.#outside?.paths !== known)
      this.#outside = { paths: known, wish: this.#composeUsed(prefix, known, pool, owner, encapsulation) };
    return this.#outside.wish;
  }

  /** Of the paths of a prefix those that are used. */
  usedOf(paths: readonly ForwardingPath[], owner: string | undefined): UsedPaths {
    return owner === undefined ? { paths } : pathsToUse(paths, owner, (address) => this.#context.nodes.at(address));
  }

  #composeUsed(
    prefix: Prefix,
    known: readonly ForwardingPath[],
    pool: RoutingPool | undefined,
    owner: string | undefined,
    encapsulation: EncapsulationContext,
  ): RouteWish | undefined {
    const { metric, peerRoutes, ways } = this.#context;
    const { paths, note } = this.usedOf(known, owner);
    const [best] = paths;
    if (best === undefined || best.source.kind !== "peer") return undefined;
    const kind: RouteWish["kind"] = pool === undefined ? "external" : prefix.isHost ? "borrowed" : "remote-block";
    const node = this.#ownerOf(prefix, best, kind);
    const stale = paths.every((path) => path.stale);
    const reached = paths.length === 1 && best.nextHop !== undefined ? paths : paths.filter(hasNextHop);
    const nextHops = best.nextHop !== undefined && reached.length === 1 ? [best.nextHop.address] : addressesOf(reached);
    const way: Way = best.isBlackhole
      ? { forwarding: { mode: "blackhole" }, note: "community BLACKHOLE: packets are dropped" }
      : ways.choose(prefix, nextHops, pool, encapsulation, sharesOf(reached.map(({ linkBandwidth }) => linkBandwidth)));
    const learned = this.#reason.text(best.source.peer, node, pool?.name);
    const hasNote = way.note !== undefined || note !== undefined;
    return this.#wishes.share({
      kind,
      forwarding: peerRoutes.resolve(way.forwarding),
      metric: metric === "auto" ? metricOf(best.localPref) : metric,
      reason: hasNote ? [way.note, learned, note].filter((part) => part !== undefined).join("; ") : learned,
      ...(way.mtu !== undefined && { mtu: way.mtu }),
      ...(node !== undefined && { node }),
      ...(stale && { stale }),
    });
  }

  #ownerOf(prefix: Prefix, best: ForwardingPath, kind: RouteWish["kind"]): string | undefined {
    const { claims, nodes } = this.#context;
    if (kind === "remote-block") {
      const owner = claims.claimOn(prefix);
      if (owner !== undefined) return owner.node;
    }
    return best.nextHop === undefined ? undefined : nodes.at(best.nextHop.address);
  }
}

function hasNextHop({ nextHop }: ForwardingPath): boolean {
  return nextHop !== undefined;
}

function addressesOf(paths: readonly ForwardingPath[]): IpAddress[] {
  return paths.flatMap(({ nextHop }) => (nextHop === undefined ? [] : [nextHop.address]));
}
