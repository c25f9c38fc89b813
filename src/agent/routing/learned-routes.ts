import type { Path } from "../../bgp/types.ts";
import { Prefix } from "../../net/prefix.ts";
import { PrefixMap, PrefixSet } from "../../net/prefix-map.ts";

const none: readonly Path[] = [];

/** What was learned by BGP, by prefix and by next hop. */
export class LearnedRoutes {
  readonly #paths = new PrefixMap<readonly Path[]>();
  /** By next hop, as a host prefix, every prefix with a path by it. */
  readonly #byNextHop = new PrefixMap<PrefixSet>();

  /** The paths of a prefix, best first; empty if it was not learned. */
  get(prefix: Prefix): readonly Path[] {
    return this.#paths.get(prefix) ?? none;
  }

  /** Replaces all paths of a prefix; none: it is gone. */
  set(prefix: Prefix, paths: readonly Path[]): void {
    for (const host of nextHops(this.get(prefix))) {
      const through = this.#byNextHop.get(host);
      through?.delete(prefix);
      if (through?.size === 0) this.#byNextHop.delete(host);
    }
    if (paths.length === 0) this.#paths.delete(prefix);
    else this.#paths.set(prefix, paths);
    for (const host of nextHops(paths)) {
      const through = this.#byNextHop.get(host) ?? new PrefixSet();
      this.#byNextHop.set(host, through.add(prefix));
    }
  }

  /** Prefixes with a path by one of these next hops; costs in proportion to the answer. */
  through(hosts: Iterable<Prefix>): Prefix[] {
    return [...hosts].flatMap((host) => [...(this.#byNextHop.get(host)?.values() ?? [])]);
  }

  /** Prefixes inside one of these; looks at all of them. */
  within(ranges: readonly Prefix[]): Prefix[] {
    if (ranges.length === 0) return [];
    return [...this.#paths.keys()].filter((prefix) => ranges.some((range) => range.contains(prefix)));
  }
}

function* nextHops(paths: readonly Path[]): IterableIterator<Prefix> {
  for (const { nextHop } of paths) if (nextHop !== undefined) yield Prefix.host(nextHop.address);
}
