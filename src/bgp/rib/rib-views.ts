import type { Prefix } from "../../net/prefix.ts";
import type { ExplainedPath, LocRibChange, Path, ReceivedRoute, RouteSelection } from "../paths.ts";
import type { AdjRibIn } from "./adj-rib-in.ts";
import type { AdjRibOut } from "./adj-rib-out.ts";
import type { BucketTable, Recipient } from "./bucket.ts";
import { decide, type Loss } from "./decision.ts";
import type { Candidate, DecisionOptions } from "./decision-steps.ts";
import { none, PathFlag } from "./path-rows.ts";
import { isPathSlot } from "./path-slots.ts";
import { type Destination, PathView } from "./path-view.ts";
import type { Rib } from "./rib.ts";

const noPaths: readonly PathView[] = [];

/** Makes objects of the RIB's rows: for listeners, for what is kept as history, and for people. */
export class RibViews {
  readonly #rib: Rib;
  readonly #options: DecisionOptions;

  constructor(rib: Rib, options: DecisionOptions) {
    this.#rib = rib;
    this.#options = options;
  }

  /** One path; `prefix` is its prefix. */
  path(row: number, prefix: Prefix = this.#prefixOf(row)): PathView {
    const { paths, attributes } = this.#rib;
    const tracked = this.#rib.trackedOf(row);
    const { source, side } = this.#rib.tableOf(row);
    const received = paths.received[row] ?? 0;
    const accepted = paths.accepted[row] ?? none;
    const path = {
      prefix,
      pathId: paths.idOf(row),
      attributes: attributes.get(accepted === none ? received : accepted),
      source,
      stale: paths.has(row, PathFlag.stale),
    };
    if (accepted !== none) return new PathView(path, tracked, undefined);
    const verdict = side.judge(prefix, path.attributes, tracked?.nextHop, tracked?.interface);
    return new PathView(path, tracked, verdict.accepted ? "refused by rules of before" : verdict.reason);
  }

  /** The routes of one source as they came. */
  *received(table: AdjRibIn): IterableIterator<ReceivedRoute> {
    const { paths, attributes } = this.#rib;
    const rows: number[] = [];
    this.#rib.eachOf(table, (row) => rows.push(row));
    for (const row of rows) {
      // Whoever takes his time may find that a route has gone meanwhile.
      if (paths.tables[row] !== table.id || paths.has(row, PathFlag.gone)) continue;
      yield {
        prefix: this.#prefixOf(row),
        pathId: paths.idOf(row),
        attributes: attributes.get(paths.received[row] ?? 0),
        nextHop: this.#rib.trackedOf(row)?.nextHop,
      };
    }
  }

  /** What a member of a group is told. */
  *advertised(out: AdjRibOut, buckets: BucketTable, recipient: Recipient): IterableIterator<Path> {
    const { slots, choices } = this.#rib;
    for (const slot of out.slots()) {
      const bucket = out.get(slot);
      const row = isPathSlot(slot) ? slots.pathOf(slot) : choices.bestOf(slot);
      if (row === none || buckets.isExcluded(bucket, recipient)) continue;
      const { prefix, source, stale } = this.path(row);
      const attributes = buckets.attributesOf(bucket);
      yield { prefix, pathId: slots.pathIdOf(slot), attributes, nextHop: buckets.nextHopOf(bucket), source, stale };
    }
  }

  /** The choice for one prefix, best first. */
  selected(prefix: Prefix): readonly Path[] {
    const row = this.#rib.prefixes.find(prefix);
    return row < 0 ? [] : this.#pathsOf(this.#rib.choices.selectedOf(row), prefix);
  }

  /** What listeners hear of a prefix. */
  change(row: number): LocRibChange {
    const { choices, prefixes } = this.#rib;
    const prefix = prefixes.prefixOf(row);
    const unresolved = choices.unresolvedOf(row);
    const paths = this.#pathsOf(choices.selectedOf(row), prefix);
    return unresolved.length === 0
      ? { prefix, paths }
      : { prefix, paths, unresolved: this.#pathsOf(unresolved, prefix) };
  }

  /** Every prefix with a choice. */
  *locRib(): IterableIterator<LocRibChange> {
    const { choices, prefixes } = this.#rib;
    for (let row = 0; row < prefixes.end; row++) {
      if (!prefixes.isUsed(row) || choices.bestOf(row) === none) continue;
      const prefix = prefixes.prefixOf(row);
      yield { prefix, paths: this.#pathsOf(choices.selectedOf(row), prefix) };
    }
  }

  /** Everything about a prefix. */
  destination(row: number): Destination {
    const { choices, paths, prefixes } = this.#rib;
    const prefix = prefixes.prefixOf(row);
    const first = choices.firstOf(row);
    if (first !== none && paths.next[first] === none) {
      // Nearly always: one path, which is the choice, would be it, or is refused.
      const only = [this.path(first, prefix)];
      const listed = (rows: readonly number[]) => (rows[0] === first ? only : noPaths);
      return {
        prefix,
        paths: only,
        selected: listed(choices.selectedOf(row)),
        unresolved: listed(choices.unresolvedOf(row)),
      };
    }
    const views = new Map<number, PathView>();
    for (let path = first; path !== none; path = paths.next[path] ?? none) views.set(path, this.path(path, prefix));
    const viewOf = (path: number): PathView => views.get(path) ?? this.path(path, prefix);
    return {
      prefix,
      paths: [...views.values()],
      selected: choices.selectedOf(row).map(viewOf),
      unresolved: choices.unresolvedOf(row).map(viewOf),
    };
  }

  /** Every path of the prefix, used ones first, with the reason where it is not the best. */
  explain(prefix: Prefix): readonly ExplainedPath[] {
    const row = this.#rib.prefixes.find(prefix);
    return row < 0 ? [] : this.explainAgain(this.destination(row));
  }

  /** As `explain`, for all paths of one source. */
  explainTable(table: AdjRibIn, { overlapping, limit = Number.POSITIVE_INFINITY }: RouteSelection): ExplainedPath[] {
    const explained: ExplainedPath[] = [];
    const { paths } = this.#rib;
    this.#rib.eachOf(table, (row) => {
      if (explained.length >= limit) return;
      const prefix = this.#prefixOf(row);
      if (overlapping !== undefined && !prefix.overlaps(overlapping)) return;
      const pathId = paths.idOf(row);
      const own = this.explainAgain(this.destination(this.#rib.prefixOf(row))).find(
        ({ path }) => path.source === table.source && path.pathId === pathId,
      );
      if (own !== undefined) explained.push(own);
    });
    return explained;
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
      const refused = path instanceof PathView ? path.refused : undefined;
      if (refused !== undefined) return { ...flags, lostBy: refused };
      const loss = losses.get(path);
      return loss === undefined ? flags : { ...flags, lostBy: loss.text, rule: loss.rule };
    });
  }

  #prefixOf(row: number): Prefix {
    return this.#rib.prefixes.prefixOf(this.#rib.prefixOf(row));
  }

  #pathsOf(rows: readonly number[], prefix: Prefix): PathView[] {
    return rows.map((row) => this.path(row, prefix));
  }
}

function candidatesOf({ paths }: Destination): Candidate[] {
  const candidates: Candidate[] = [];
  for (const path of paths)
    if (path.refused === undefined)
      // A route of our own without a next hop is always reachable.
      candidates.push({ path, igpMetric: path.tracked === undefined ? 0 : path.tracked.metric });
  return candidates;
}
