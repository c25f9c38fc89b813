import type { Prefix } from "../../net/prefix.ts";
import { PrefixMap } from "../../net/prefix-map.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { Family } from "../packet/family.ts";
import type { NextHop } from "../packet/message.ts";
import { WellKnownCommunity } from "../packet/well-known-communities.ts";
import type { ExplainedPath, Path, RouteSelection } from "../types.ts";
import { type AdjRibIn, isOf, ReceivedPath } from "./adj-rib-in.ts";
import { decide, type Loss, rank } from "./decision.ts";
import type { Candidate, DecisionOptions } from "./decision-steps.ts";
import { type NextHopResolver, NextHopTable, type TrackedNextHop } from "./next-hop-table.ts";
import { select } from "./select.ts";
import type { PathSlot } from "./slot.ts";

/** Everything known about one prefix. Lists are replaced, never changed, so that whoever holds one keeps a snapshot. */
export interface Destination {
  readonly prefix: Prefix;
  /** All paths of all sources, refused ones included. */
  readonly paths: readonly ReceivedPath[];
  /** The Loc-RIB's choice: best first, then its equals. */
  readonly selected: readonly Path[];
  /** Without a choice: the paths that would be it if their next hops could be reached. */
  readonly unresolved: readonly Path[];
}

interface MutableDestination extends Destination {
  paths: readonly ReceivedPath[];
  selected: readonly Path[];
  unresolved: readonly Path[];
  /** In the queue of `settle`. */
  dirty: boolean;
  /** The highest path identifier given to a path of this prefix. */
  lastPathId: number;
  /** One of `selected` has become stale or fresh since the last `settle`. */
  restated: boolean;
}

/** What one `settle` has done. */
export interface Settled {
  /** Those whose choice changed, or the staleness of a chosen path. */
  readonly changed: readonly Destination[];
  /** All that something was said about. */
  readonly touched: readonly Destination[];
}

const noPaths: readonly Path[] = [];

/**
 * All paths of all sources and the choice among them (Loc-RIB, RFC 4271 §3.2).
 *
 * Changes only mark the prefix; `settle` then chooses once per prefix, however many changes one turn brought. A
 * destination without paths stays until `purge`, so that whoever queued it finds the same object when the prefix returns.
 */
export class Rib {
  readonly #options: DecisionOptions;
  readonly #nextHops: NextHopTable;
  readonly #onRefused: ((path: ReceivedPath) => void) | undefined;
  readonly #destinations = new PrefixMap<MutableDestination>();
  /** Marked prefixes, oldest first. */
  #dirty: MutableDestination[] = [];
  /** How many of `#dirty` are done. */
  #settled = 0;
  readonly #empty = new Set<MutableDestination>();

  /** `onRefused` hears of routes that their source's rules keep out. */
  constructor(options: DecisionOptions, resolve: NextHopResolver, onRefused?: (path: ReceivedPath) => void) {
    this.#options = options;
    this.#onRefused = onRefused;
    this.#nextHops = new NextHopTable(resolve);
  }

  /** A route announced by `table`'s source; replaces its path of the same prefix and path id. `attributes` are interned. */
  update(
    table: AdjRibIn,
    prefix: Prefix,
    pathId: number,
    attributes: PathAttributes,
    nextHop: NextHop | undefined,
  ): void {
    const destination = this.#destinationOf(prefix);
    const known = findPath(destination, table, pathId);
    const tracked = nextHop === undefined ? undefined : this.#nextHops.find(nextHop);
    if (
      known !== undefined &&
      known.received === attributes &&
      known.tracked === tracked &&
      known.source === table.source
    ) {
      known.awaitsRefresh = false;
      this.#setStale(destination, known, false);
      return;
    }
    const verdict = table.rules(prefix, attributes, nextHop, tracked?.interface);
    const path = new ReceivedPath(table, destination.prefix, pathId, attributes, tracked, verdict);
    if (!verdict.accepted) this.#onRefused?.(path);
    this.#replace(destination, known, path);
  }

  /** True if the source has this route. */
  has(table: AdjRibIn, prefix: Prefix, pathId: number): boolean {
    const destination = this.#destinations.get(prefix);
    return destination !== undefined && findPath(destination, table, pathId) !== undefined;
  }

  /** The source no longer has the route. Unknown ones are ignored. */
  withdraw(table: AdjRibIn, prefix: Prefix, pathId: number): void {
    const destination = this.#destinations.get(prefix);
    const known = destination === undefined ? undefined : findPath(destination, table, pathId);
    if (destination !== undefined && known !== undefined) this.#replace(destination, known, undefined);
  }

  /** Removes the table's paths for which `condition` holds, e.g. those still stale. */
  removeWhere(table: AdjRibIn, condition: (path: ReceivedPath) => boolean): void {
    for (const path of table.paths)
      if (condition(path)) this.#replace(this.#destinationOf(path.prefix), path, undefined);
  }

  /** The source restarts gracefully: its paths of these families stay in use until it has announced them again. */
  markStale(table: AdjRibIn, families: readonly Family[]): void {
    for (const path of table.paths)
      if (isOf(path, families)) this.#setStale(this.#destinationOf(path.prefix), path, true);
  }

  /**
   * The source is away for longer than its restart time: its stale paths of these families become routes of last resort
   * (RFC 9494 §4.2), except those that do not want to be.
   */
  markLongLived(table: AdjRibIn, families: readonly Family[], intern: (one: PathAttributes) => PathAttributes): void {
    const { longLivedStale, noLongLivedStale } = WellKnownCommunity;
    for (const path of [...table.paths]) {
      if (!path.stale || !isOf(path, families)) continue;
      const { communities } = path.received;
      if (communities.includes(noLongLivedStale)) {
        this.#replace(this.#destinationOf(path.prefix), path, undefined);
        continue;
      }
      if (communities.includes(longLivedStale)) continue;
      const received = intern({ ...path.received, communities: [...communities, longLivedStale] });
      const verdict = table.rules(path.prefix, received, path.nextHop, path.tracked?.interface);
      const renewed = new ReceivedPath(table, path.prefix, path.pathId, received, path.tracked, verdict);
      renewed.stale = true;
      this.#replace(this.#destinationOf(path.prefix), path, renewed);
    }
  }

  /** The source announces all its routes of a family again (RFC 7313 §4). */
  beginRefresh(table: AdjRibIn, family: Family): void {
    for (const path of table.paths) if (isOf(path, [family])) path.awaitsRefresh = true;
  }

  /** The source has done so: what it did not announce is gone. */
  endRefresh(table: AdjRibIn, family: Family): void {
    this.removeWhere(table, (path) => path.awaitsRefresh && isOf(path, [family]));
  }

  /** Runs the table's rules over all its paths again, after they or the source changed. */
  reevaluate(table: AdjRibIn): void {
    for (const path of [...table.paths]) this.#judgeAgain(this.#destinationOf(path.prefix), path);
  }

  #judgeAgain(destination: MutableDestination, path: ReceivedPath): void {
    const { table, tracked } = path;
    const verdict = table.rules(path.prefix, path.received, path.nextHop, tracked?.interface);
    if (path.source === table.source && path.hasVerdict(verdict)) return;
    const renewed = new ReceivedPath(table, path.prefix, path.pathId, path.received, tracked, verdict);
    renewed.stale = path.stale;
    renewed.awaitsRefresh = path.awaitsRefresh;
    if (!verdict.accepted) this.#onRefused?.(renewed);
    this.#replace(destination, path, renewed);
  }

  /** Asks the resolver again, once per next hop, and looks at the paths whose next hops answered differently. */
  nextHopsChanged(): void {
    for (const { entry, interfaceChanged } of this.#nextHops.refresh())
      for (const path of usersOf(entry)) {
        const destination = this.#destinationOf(path.prefix);
        this.#mark(destination);
        if (!interfaceChanged) continue;
        // Policies may ask for the interface: those of the import now, those of the export because the choice is told again.
        this.#judgeAgain(destination, path);
        destination.restated = true;
      }
  }

  /** Chooses anew for up to `limit` marked prefixes. */
  settle(limit: number): Settled {
    const slice = this.#dirty.slice(this.#settled, this.#settled + limit);
    this.#settled += slice.length;
    if (!this.pending) {
      this.#dirty = [];
      this.#settled = 0;
    }
    const changed = slice.filter((destination) => {
      destination.dirty = false;
      const { restated } = destination;
      destination.restated = false;
      const selected = this.#choose(destination);
      const unresolved = selected.length === 0 ? this.#unresolvedOf(destination) : noPaths;
      if (listsEqual(destination.selected, selected) && listsEqual(destination.unresolved, unresolved)) return restated;
      destination.selected = selected;
      destination.unresolved = unresolved;
      return true;
    });
    return { changed, touched: slice };
  }

  /** The usable paths of a prefix: all of them, or the best `limit` in their order. */
  slotsOf(prefix: Prefix, limit: "all" | number): readonly PathSlot[] {
    const destination = this.#destinations.get(prefix);
    if (destination === undefined) return [];
    const candidates = candidatesOf(destination).filter(({ igpMetric }) => igpMetric !== undefined);
    const paths = limit === "all" ? candidates.map(({ path }) => path) : rank(candidates, this.#options, limit);
    return paths.flatMap((path) => (path instanceof ReceivedPath ? [slotOf(destination, path)] : []));
  }

  /** True if marked prefixes wait for `settle`. */
  get pending(): boolean {
    return this.#settled < this.#dirty.length;
  }

  /** Forgets prefixes that have had no path for a while. Only when nobody holds a `Destination` for later. */
  purge(): void {
    for (const destination of this.#empty) {
      if (destination.dirty) continue;
      this.#empty.delete(destination);
      if (destination.paths.length === 0) this.#destinations.delete(destination.prefix);
    }
  }

  get(prefix: Prefix): Destination | undefined {
    return this.#destinations.get(prefix);
  }

  destinations(): Iterable<Destination> {
    return this.#destinations.values();
  }

  /** Every path of the prefix, used ones first, with the reason where it is not the best. */
  explain(prefix: Prefix): readonly ExplainedPath[] {
    const destination = this.#destinations.get(prefix);
    return destination === undefined ? [] : this.explainAgain(destination);
  }

  /** As `explain`, for all paths of one source. */
  explainTable(table: AdjRibIn, selection: RouteSelection): readonly ExplainedPath[] {
    return [...select(table.paths, selection)].flatMap((path) =>
      this.explainAgain(this.#destinationOf(path.prefix)).filter((explained) => explained.path === path),
    );
  }

  /** As `explain`, also for what a destination was at another time, with the next hops of today. */
  explainAgain(destination: Destination): readonly ExplainedPath[] {
    const losses = new Map<Path, Loss>();
    const selected = decide(candidatesOf(destination), this.#options, ({ path }, loss) => losses.set(path, loss));
    const rest = destination.paths.filter((path) => !selected.includes(path));
    return [
      ...selected,
      ...rest.filter((path) => path.refused === undefined),
      ...rest.filter((path) => path.refused),
    ].map((path) => {
      const flags = { path, best: path === selected[0], multipath: selected.includes(path) };
      const refused = path instanceof ReceivedPath ? path.refused : undefined;
      if (refused !== undefined) return { ...flags, lostBy: refused };
      const loss = losses.get(path);
      return loss === undefined ? flags : { ...flags, lostBy: loss.text, rule: loss.rule };
    });
  }

  #choose(destination: Destination): readonly Path[] {
    const { paths } = destination;
    const [first, second] = paths;
    if (first === undefined) return noPaths;
    if (second !== undefined) return decide(candidatesOf(destination), this.#options);
    return first.refused === undefined && igpMetricOf(first) !== undefined ? paths : noPaths;
  }

  #unresolvedOf(destination: Destination): readonly Path[] {
    if (destination.paths.length === 0) return noPaths;
    const candidates = candidatesOf(destination).map(({ path }) => ({ path, igpMetric: 0 }));
    return candidates.length === 0 ? noPaths : decide(candidates, this.#options);
  }

  #destinationOf(prefix: Prefix): MutableDestination {
    let destination = this.#destinations.get(prefix);
    if (destination === undefined) {
      destination = {
        prefix,
        paths: [],
        selected: noPaths,
        unresolved: noPaths,
        dirty: false,
        restated: false,
        lastPathId: 0,
      };
      this.#destinations.set(prefix, destination);
    }
    return destination;
  }

  #replace(destination: MutableDestination, old: ReceivedPath | undefined, path: ReceivedPath | undefined): void {
    if (path !== undefined) {
      path.table.add(path);
      if (path.tracked !== undefined) this.#nextHops.attach(path.tracked, path);
    }
    if (old !== undefined) {
      if (path !== undefined && old.slot !== undefined) {
        path.slot = old.slot;
        path.slot.path = path;
      }
      old.table.remove(old);
      if (old.tracked !== undefined) this.#nextHops.detach(old.tracked, old);
    }
    const others = old === undefined ? destination.paths : destination.paths.filter((other) => other !== old);
    destination.paths = path === undefined ? others : [...others, path];
    if (destination.paths.length === 0) this.#empty.add(destination);
    // A refused path that comes or goes changes nothing for the choice.
    if (isCandidate(old) || isCandidate(path)) this.#mark(destination);
  }

  #setStale(destination: MutableDestination, path: ReceivedPath, stale: boolean): void {
    if (!path.table.setStale(path, stale) || !destination.selected.includes(path)) return;
    destination.restated = true;
    this.#mark(destination);
  }

  #mark(destination: MutableDestination): void {
    if (destination.dirty) return;
    destination.dirty = true;
    this.#dirty.push(destination);
  }
}

function slotOf(destination: MutableDestination, path: ReceivedPath): PathSlot {
  path.slot ??= { prefix: destination.prefix, pathId: ++destination.lastPathId, path };
  return path.slot;
}

/** As they are now: the list may change while they are looked at. */
function usersOf(entry: TrackedNextHop): ReceivedPath[] {
  const users: ReceivedPath[] = [];
  for (let user = entry.firstUser; user !== undefined; user = user.nextUser)
    if (user instanceof ReceivedPath) users.push(user);
  return users;
}

function isCandidate(path: ReceivedPath | undefined): boolean {
  return path !== undefined && path.refused === undefined;
}

function findPath(destination: Destination, table: AdjRibIn, pathId: number): ReceivedPath | undefined {
  for (const path of destination.paths) if (path.table === table && path.pathId === pathId) return path;
  return undefined;
}

function candidatesOf(destination: Destination): Candidate[] {
  const candidates: Candidate[] = [];
  for (const path of destination.paths)
    if (path.refused === undefined) candidates.push({ path, igpMetric: igpMetricOf(path) });
  return candidates;
}

/** A route of our own without a next hop is always reachable. */
function igpMetricOf(path: ReceivedPath): number | undefined {
  return path.tracked === undefined ? 0 : path.tracked.metric;
}

function listsEqual(left: readonly Path[], right: readonly Path[]): boolean {
  return left.length === right.length && left.every((path, index) => path === right[index]);
}
