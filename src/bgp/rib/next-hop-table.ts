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

/** A path that hangs on a next hop, as a link of that next hop's list: costs no memory but two fields, whatever comes and goes. */
export interface NextHopUser {
  nextUser: NextHopUser | undefined;
  previousUser: NextHopUser | undefined;
}

/** A next hop that paths use, and what the resolver said of it last. */
export interface TrackedNextHop {
  readonly nextHop: NextHop;
  /** IGP metric; undefined if the next hop can't be reached. */
  metric: number | undefined;
  interface: string | undefined;
  /** Head of the list of paths that hold this entry. */
  firstUser: NextHopUser | undefined;
}

/** What was found out anew about a next hop. */
export interface NextHopChange {
  readonly entry: TrackedNextHop;
  readonly interfaceChanged: boolean;
}

/** Next hops in use, each once, so that the resolver is asked once per next hop and not once per path. */
export class NextHopTable {
  readonly #resolve: NextHopResolver;
  readonly #entries = new Map<number, TrackedNextHop[]>();

  constructor(resolve: NextHopResolver) {
    this.#resolve = resolve;
  }

  /** The entry of a next hop; whoever keeps it calls `attach`. */
  find(nextHop: NextHop): TrackedNextHop {
    const hash = hashNextHop(nextHop);
    const bucket = this.#entries.get(hash);
    const known = bucket?.find((entry) => nextHopsEqual(entry.nextHop, nextHop));
    if (known !== undefined) return known;
    const resolved = this.#resolve(nextHop);
    const entry = { nextHop, metric: resolved?.metric, interface: resolved?.interface, firstUser: undefined };
    if (bucket === undefined) this.#entries.set(hash, [entry]);
    else bucket.push(entry);
    return entry;
  }

  attach(entry: TrackedNextHop, user: NextHopUser): void {
    user.nextUser = entry.firstUser;
    if (entry.firstUser !== undefined) entry.firstUser.previousUser = user;
    entry.firstUser = user;
  }

  /** The entry goes with the last one. */
  detach(entry: TrackedNextHop, user: NextHopUser): void {
    const { nextUser, previousUser } = user;
    if (nextUser !== undefined) nextUser.previousUser = previousUser;
    if (previousUser !== undefined) previousUser.nextUser = nextUser;
    else entry.firstUser = nextUser;
    user.nextUser = undefined;
    user.previousUser = undefined;
    if (entry.firstUser !== undefined) return;
    const hash = hashNextHop(entry.nextHop);
    const others = this.#entries.get(hash)?.filter((other) => other !== entry) ?? [];
    if (others.length === 0) this.#entries.delete(hash);
    else this.#entries.set(hash, others);
  }

  /** Asks the resolver again; the entries whose answer changed. */
  refresh(): readonly NextHopChange[] {
    const changes: NextHopChange[] = [];
    for (const bucket of this.#entries.values())
      for (const entry of bucket) {
        const resolved = this.#resolve(entry.nextHop);
        const interfaceChanged = resolved?.interface !== entry.interface;
        if (resolved?.metric === entry.metric && !interfaceChanged) continue;
        entry.metric = resolved?.metric;
        entry.interface = resolved?.interface;
        changes.push({ entry, interfaceChanged });
      }
    return changes;
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
