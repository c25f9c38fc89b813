import type { PathSource } from "../types.ts";
import { Trait } from "./attribute-summary.ts";
import type { AttributeTable } from "./attribute-table.ts";
import type { DecisionOptions } from "./decision-steps.ts";
import { defaultLocalPref } from "./decision-steps.ts";
import type { NextHopTable } from "./next-hop-table.ts";
import { none, type PathRows } from "./path-rows.ts";

/** What the choice looks at. */
export interface DecisionTables {
  readonly paths: PathRows;
  readonly attributes: AttributeTable;
  readonly nextHops: NextHopTable;
  /** Where the path of a row came from. */
  sourceOf(row: number): PathSource;
}

/**
 * `decide` and `rank` (decision.ts) on rows of numbers: the same steps in the same order, without the reasons. A test runs both
 * side by side.
 */
export class RowDecision {
  readonly #tables: DecisionTables;
  readonly #options: DecisionOptions;
  readonly #compare: (left: number, right: number) => number;

  constructor(tables: DecisionTables, options: DecisionOptions) {
    this.#tables = tables;
    this.#options = options;
    this.#compare = (left, right) => this.#compareEquals(left, right);
  }

  /** IGP cost of the path's next hop; 0 for a route of our own without one, undefined if it cannot be reached. */
  metricOf(row: number): number | undefined {
    const nextHop = this.#tables.paths.nextHops[row] ?? none;
    return nextHop === none ? 0 : this.#tables.nextHops.get(nextHop)?.metric;
  }

  /**
   * The choice among `rows`, which must be accepted paths whose next hops can be reached (or, if none can, count as if they
   * could): best first, then its equals. Changes `rows`.
   */
  choose(rows: number[]): readonly number[] {
    if (rows.length < 2) return rows;
    this.#narrow(rows);
    if (rows.length < 2) return rows;
    rows.sort(this.#compare);
    return this.#multipath(rows);
  }

  /** The first `limit` rows in the order in which each would be the best without those before it. */
  rank(rows: readonly number[], limit: number): readonly number[] {
    const ranked: number[] = [];
    let left = rows;
    while (ranked.length < limit && left.length > 0) {
      const [best] = this.choose([...left]);
      if (best === undefined) break;
      ranked.push(best);
      left = left.filter((row) => row !== best);
    }
    return ranked;
  }

  /** RFC 4271 §9.1.1 and §9.1.2.2 a to e, in the order of `stepsBeforeMed` and `stepsAfterMed`. */
  #narrow(rows: number[]): void {
    const { attributes, paths } = this.#tables;
    const accepted = paths.accepted;
    const isIgnored = this.#options.asPathIgnore;
    keepSmallest(rows, (row) => attributes.traitsOf(accepted[row] ?? 0) & Trait.lastResort);
    if (rows.length > 1) keepSmallest(rows, (row) => -(attributes.localPrefOf(accepted[row] ?? 0) ?? defaultLocalPref));
    if (rows.length > 1) keepSmallest(rows, (row) => (this.#tables.sourceOf(row).kind === "local" ? 0 : 1));
    if (rows.length > 1 && !isIgnored) keepSmallest(rows, (row) => attributes.asPathLengthOf(accepted[row] ?? 0));
    if (rows.length > 1) keepSmallest(rows, (row) => attributes.originOf(accepted[row] ?? 0));
    if (rows.length > 1) this.#narrowByMed(rows);
    if (rows.length > 1) keepSmallest(rows, (row) => (this.#isExternal(row) ? 0 : 1));
    if (rows.length > 1) keepSmallest(rows, (row) => this.metricOf(row) ?? 0);
  }

  /** RFC 4271 §9.1.2.2 c: within each group the lowest MED stays. */
  #narrowByMed(rows: number[]): void {
    const smallest = new Map<number, number>();
    for (const row of rows) {
      const group = this.#medGroup(row);
      smallest.set(group, Math.min(this.#med(row), smallest.get(group) ?? Number.POSITIVE_INFINITY));
    }
    let kept = 0;
    for (const row of rows) if (this.#med(row) === smallest.get(this.#medGroup(row))) rows[kept++] = row;
    rows.length = kept;
  }

  #med(row: number): number {
    const { attributes, paths } = this.#tables;
    const missing = this.#options.missingMedIsWorst ? Number.POSITIVE_INFINITY : 0;
    return attributes.medOf(paths.accepted[row] ?? 0) ?? missing;
  }

  #medGroup(row: number): number {
    const { attributes, paths } = this.#tables;
    return this.#options.alwaysCompareMed ? 0 : attributes.neighborAsOf(paths.accepted[row] ?? 0);
  }

  #isExternal(row: number): boolean {
    const source = this.#tables.sourceOf(row);
    return source.kind === "peer" && source.type === "ebgp";
  }

  /** RFC 4271 §9.1.2.2 f to g with RFC 4456 §9, as `tieBreakers`. */
  #compareEquals(left: number, right: number): number {
    const a = this.#tables.sourceOf(left);
    const b = this.#tables.sourceOf(right);
    if (this.#options.compareRouterId) {
      const order = this.#routerId(left, a) - this.#routerId(right, b);
      if (order !== 0) return order;
    }
    const clusters = this.#clusters(left) - this.#clusters(right);
    if (clusters !== 0) return clusters;
    const addresses = a.kind === "peer" && b.kind === "peer" ? a.address.compare(b.address) : 0;
    if (addresses !== 0) return addresses;
    return this.#tables.paths.idOf(left) - this.#tables.paths.idOf(right);
  }

  #routerId(row: number, source: PathSource): number {
    const { attributes, paths } = this.#tables;
    const id = paths.accepted[row] ?? 0;
    const originator =
      (attributes.traitsOf(id) & Trait.originatorId) === 0 ? undefined : attributes.get(id).originatorId;
    return originator ?? (source.kind === "peer" ? source.identifier : 0);
  }

  #clusters(row: number): number {
    const { attributes, paths } = this.#tables;
    const id = paths.accepted[row] ?? 0;
    return (attributes.traitsOf(id) & Trait.clusterList) === 0 ? 0 : attributes.get(id).clusterList.length;
  }

  /** One path per next hop; routes of our own are never balanced with others. */
  #multipath(ordered: readonly number[]): readonly number[] {
    const { attributes, paths, nextHops } = this.#tables;
    const best = ordered[0] ?? none;
    const source = this.#tables.sourceOf(best);
    if (source.kind === "local") return [best];
    const limit = source.type === "ebgp" ? this.#options.multipathEbgp : this.#options.multipathIbgp;
    const chosen = [best];
    for (const row of ordered) {
      if (chosen.length >= limit) break;
      const nextHop = paths.nextHops[row] ?? none;
      if (row === best || nextHop === none) continue;
      const isAlike =
        this.#options.multipathRelaxed || attributes.asPathsEqual(paths.accepted[row] ?? 0, paths.accepted[best] ?? 0);
      if (!isAlike) continue;
      const address = nextHops.get(nextHop)?.nextHop.address;
      const isNew = chosen.every((other) => {
        const known = nextHops.get(paths.nextHops[other] ?? none)?.nextHop.address;
        return known === undefined || address === undefined || !known.equals(address);
      });
      if (isNew) chosen.push(row);
    }
    return chosen;
  }
}

function keepSmallest(rows: number[], value: (row: number) => number): void {
  let smallest = Number.POSITIVE_INFINITY;
  let kept = 0;
  for (const row of rows) {
    const own = value(row);
    if (own < smallest) {
      smallest = own;
      rows[0] = row;
      kept = 1;
    } else if (own === smallest) rows[kept++] = row;
  }
  rows.length = kept;
}
