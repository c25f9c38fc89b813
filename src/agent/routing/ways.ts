import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { PrefixMap } from "../../net/prefix-map.ts";
import { chooseWay, type EncapsulationContext, type Way } from "./encapsulation.ts";
import type { RoutingPool } from "./sources.ts";

/** The last way to a destination that worked, and the next hops that it was for. */
interface LastWay {
  readonly way: Way;
  /** Undefined for a way from before the restart: the kernel knows where it leads, but not for which next hop. */
  readonly nextHops: readonly IpAddress[] | undefined;
}

/** Beyond this many next hops all are forgotten, and made once more. */
const outsideLimit = 4096;

/** Chooses ways and remembers them, so that a change of mode breaks nothing before the new way is there. */
export class Ways {
  /** Of destinations inside the pools; all others are reached directly at any time. */
  readonly #last = new PrefixMap<LastWay>();
  /** The ways of those by their only next hop: routes with the same one share it. */
  readonly #outside = new PrefixMap<Way>();
  #latest: { readonly nextHop: IpAddress; readonly way: Way } | undefined;

  /** The way to the next hops; while the one that the pool asks for is not there yet, the last one that was. */
  choose(
    prefix: Prefix,
    nextHops: readonly IpAddress[],
    pool: RoutingPool | undefined,
    context: EncapsulationContext,
    weights?: readonly number[],
  ): Way {
    if (pool === undefined) {
      if (this.#last.size > 0) this.#last.delete(prefix);
      return this.#chooseOutside(nextHops, context, weights);
    }
    const way = chooseWay(nextHops, pool, context, weights);
    if (way.forwarding.mode !== "none") {
      this.#last.set(prefix, { way, nextHops });
      return way;
    }
    const last = this.#last.get(prefix);
    if (last === undefined) return way;
    if (last.nextHops !== undefined && !sameAddresses(last.nextHops, nextHops)) return way;
    return { ...last.way, note: `still ${last.way.forwarding.mode}: ${way.note}` };
  }

  #chooseOutside(nextHops: readonly IpAddress[], context: EncapsulationContext, weights?: readonly number[]): Way {
    const only = nextHops.length === 1 && weights === undefined ? nextHops[0] : undefined;
    if (only === undefined) return chooseWay(nextHops, undefined, context, weights);
    if (this.#latest?.nextHop.equals(only)) return this.#latest.way;
    const host = Prefix.host(only);
    const way = this.#outside.get(host) ?? chooseWay(nextHops, undefined, context);
    if (this.#outside.size >= outsideLimit) this.#outside.clear();
    this.#outside.set(host, way);
    this.#latest = { nextHop: only, way };
    return way;
  }

  /** Takes over a way that the kernel has from before the restart, until the first one of this run. */
  adopt(prefix: Prefix, way: Way): void {
    this.#last.set(prefix, { way, nextHops: undefined });
  }

  /** The destination is gone; another one of the same prefix has nothing to do with it. */
  forget(prefix: Prefix): void {
    if (this.#last.size > 0) this.#last.delete(prefix);
  }
}

function sameAddresses(left: readonly IpAddress[], right: readonly IpAddress[]): boolean {
  return left.length === right.length && left.every((address, index) => right[index]?.equals(address));
}
