import type { NextHop } from "../packet/message.ts";

/** How a next hop is reached; undefined if it can't be. `metric` is the IGP's cost, smaller is nearer. */
export type NextHopResolver = (nextHop: NextHop) => { readonly metric: number } | undefined;

/** A next hop that paths use, and what the resolver said of it last. */
export interface TrackedNextHop {
  readonly nextHop: NextHop;
  /** IGP metric; undefined if the next hop can't be reached. */
  metric: number | undefined;
  /** Number of paths that hold this entry. */
  users: number;
}

/** Next hops in use, each once, so that the resolver is asked once per next hop and not once per path. */
export class NextHopTable {
  readonly #resolve: NextHopResolver;
  readonly #entries = new Map<number, TrackedNextHop[]>();

  constructor(resolve: NextHopResolver) {
    this.#resolve = resolve;
  }

  /** The entry of a next hop; the caller counts itself in `users` and calls `release` at the end. */
  find(nextHop: NextHop): TrackedNextHop {
    const hash = hashNextHop(nextHop);
    const bucket = this.#entries.get(hash);
    const known = bucket?.find((entry) => nextHopsEqual(entry.nextHop, nextHop));
    if (known !== undefined) return known;
    const entry = { nextHop, metric: this.#resolve(nextHop)?.metric, users: 0 };
    if (bucket === undefined) this.#entries.set(hash, [entry]);
    else bucket.push(entry);
    return entry;
  }

  /** One path less; the entry goes with the last one. */
  release(entry: TrackedNextHop): void {
    entry.users--;
    if (entry.users > 0) return;
    const hash = hashNextHop(entry.nextHop);
    const others = this.#entries.get(hash)?.filter((other) => other !== entry) ?? [];
    if (others.length === 0) this.#entries.delete(hash);
    else this.#entries.set(hash, others);
  }

  /** Asks the resolver again; the entries whose answer changed. */
  refresh(): ReadonlySet<TrackedNextHop> {
    const changed = new Set<TrackedNextHop>();
    for (const bucket of this.#entries.values())
      for (const entry of bucket) {
        const metric = this.#resolve(entry.nextHop)?.metric;
        if (metric === entry.metric) continue;
        entry.metric = metric;
        changed.add(entry);
      }
    return changed;
  }
}

export function nextHopsEqual(left: NextHop, right: NextHop): boolean {
  if (left === right) return true;
  if (!left.address.equals(right.address)) return false;
  if (left.linkLocal === undefined || right.linkLocal === undefined) return left.linkLocal === right.linkLocal;
  return left.linkLocal.equals(right.linkLocal);
}

function hashNextHop(nextHop: NextHop): number {
  return nextHop.address.hash() ^ (nextHop.linkLocal?.hash() ?? 0);
}
