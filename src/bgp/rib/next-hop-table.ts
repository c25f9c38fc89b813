import type { NextHop } from "../packet/message.ts";

/** How a next hop is reached. */
export interface ResolvedNextHop {
  /** The IGP's cost, smaller is nearer. */
  readonly metric: number;
  /** Name of the interface that leads there, for policies that ask for it. */
  readonly interface?: string;
}

/** Undefined if the next hop can't be reached. */
export type NextHopResolver = (nextHop: NextHop) => ResolvedNextHop | undefined;

/** A next hop that paths use, and what the resolver said of it last. */
export interface TrackedNextHop {
  readonly nextHop: NextHop;
  /** IGP metric; undefined if the next hop can't be reached. */
  readonly metric: number | undefined;
  readonly interface: string | undefined;
}

interface Entry extends TrackedNextHop {
  metric: number | undefined;
  interface: string | undefined;
  /** How many hold its number. */
  count: number;
}

/** What was found out anew about next hops. */
export interface NextHopChanges {
  readonly ids: ReadonlySet<number>;
  /** Those of them that are reached by another interface. */
  readonly interfaceChanged: ReadonlySet<number>;
}

/**
 * Next hops in use as numbers, each once, so that the resolver is asked once per next hop and not once per path.
 *
 * Invariants: an entry is there exactly while somebody holds its number, and stands in the list of its hash; unused numbers are in
 * `#free`.
 */
export class NextHopTable {
  readonly #resolve: NextHopResolver;
  readonly #entries: (Entry | undefined)[] = [];
  readonly #byHash = new Map<number, number[]>();
  readonly #free: number[] = [];
  /** What was asked for last, and its number: it is asked for again and again. */
  #last: { readonly nextHop: NextHop; readonly entry: Entry; readonly id: number } | undefined;

  constructor(resolve: NextHopResolver) {
    this.#resolve = resolve;
  }

  /** The number of a next hop, held once more. */
  take(nextHop: NextHop): number {
    const last = this.#last;
    if (last !== undefined && last.nextHop === nextHop && last.entry === this.#entries[last.id]) {
      last.entry.count++;
      return last.id;
    }
    const hash = hashNextHop(nextHop);
    const list = this.#byHash.get(hash);
    if (list !== undefined)
      for (const id of list) {
        const entry = this.#entries[id];
        if (entry === undefined || !nextHopsEqual(entry.nextHop, nextHop)) continue;
        entry.count++;
        this.#last = { nextHop, entry, id };
        return id;
      }
    const resolved = this.#resolve(nextHop);
    const id = this.#free.pop() ?? this.#entries.length;
    this.#entries[id] = { nextHop, metric: resolved?.metric, interface: resolved?.interface, count: 1 };
    if (list === undefined) this.#byHash.set(hash, [id]);
    else list.push(id);
    return id;
  }

  retain(id: number, times = 1): void {
    const entry = this.#entries[id];
    if (entry !== undefined) entry.count += times;
  }

  /** The entry goes with the last one. */
  release(id: number): void {
    const entry = this.#entries[id];
    if (entry === undefined) return;
    entry.count--;
    if (entry.count > 0) return;
    this.#entries[id] = undefined;
    this.#free.push(id);
    const hash = hashNextHop(entry.nextHop);
    const others = this.#byHash.get(hash)?.filter((other) => other !== id) ?? [];
    if (others.length === 0) this.#byHash.delete(hash);
    else this.#byHash.set(hash, others);
  }

  /** Undefined for a number that stands for no next hop. */
  get(id: number): TrackedNextHop | undefined {
    return this.#entries[id];
  }

  /** Asks the resolver again; the entries whose answer changed. */
  refresh(): NextHopChanges {
    const ids = new Set<number>();
    const interfaceChanged = new Set<number>();
    for (const [id, entry] of this.#entries.entries()) {
      if (entry === undefined) continue;
      const resolved = this.#resolve(entry.nextHop);
      if (resolved?.interface !== entry.interface) interfaceChanged.add(id);
      else if (resolved?.metric === entry.metric) continue;
      entry.metric = resolved?.metric;
      entry.interface = resolved?.interface;
      ids.add(id);
    }
    return { ids, interfaceChanged };
  }
}

export function nextHopsEqual(left: NextHop, right: NextHop): boolean {
  if (left === right) return true;
  if (!left.address.equals(right.address)) return false;
  if (left.linkLocal === undefined || right.linkLocal === undefined) return left.linkLocal === right.linkLocal;
  return left.linkLocal.equals(right.linkLocal);
}

/** An unsigned 32-bit number. */
export function hashNextHop(nextHop: NextHop): number {
  return (nextHop.address.hash() ^ (nextHop.linkLocal?.hash() ?? 0)) >>> 0;
}
