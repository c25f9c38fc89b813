import type { PathSource } from "../paths.ts";
import { Trait } from "./attribute-summary.ts";
import type { AttributeTable } from "./attribute-table.ts";
import type { DecisionOptions } from "./decision-steps.ts";
import { defaultLocalPref } from "./decision-steps.ts";
import type { NextHopTable } from "./next-hop-table.ts";
import { none, PathFlag, type PathRows } from "./path-rows.ts";

/** More than one path may be chosen. */
export const undecided = -2;
/** Steps of `#valueOf`: those before the comparison of MEDs, and those after it. */
const firstStepAfterMed = 5;
const stepCount = 7;

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
  readonly #byTies: (left: number, right: number) => number;

  constructor(tables: DecisionTables, options: DecisionOptions) {
    this.#tables = tables;
    this.#options = options;
    this.#byTies = (left, right) => this.#compareEquals(left, right);
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
    rows.sort(this.#byTies);
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

  /**
   * The choice among all usable paths of the list that begins with `first`, where it is one path and found without making lists: none
   * without any, `undecided` where `choose` has to be asked. Nearly always one path is better than all others by its attributes, or better
   * than all but one.
   */
  chooseOne(first: number): number {
    const { next } = this.#tables.paths;
    let best = none;
    let rival = none;
    let rivals = 0;
    for (let row = first; row !== none; row = next[row] ?? none) {
      if (!this.isUsable(row)) continue;
      const order = best === none ? -1 : this.#compare(row, best, 0, firstStepAfterMed);
      if (order < 0) {
        best = row;
        rivals = 0;
      } else if (order === 0) {
        rival = row;
        rivals++;
      }
    }
    if (rivals === 0) return best;
    return rivals === 1 ? this.#chooseOneOf(best, rival) : undecided;
  }

  /** True if the path is accepted and its next hop can be reached. */
  isUsable(row: number): boolean {
    return !this.#tables.paths.has(row, PathFlag.refused) && this.metricOf(row) !== undefined;
  }

  /** As `chooseOne` for two paths that are equal up to the MED, `left` the older one. */
  #chooseOneOf(left: number, right: number): number {
    const byMed = this.#medGroup(left) === this.#medGroup(right) ? this.#med(left) - this.#med(right) : 0;
    // Not a number for two that are infinitely bad.
    const byRest = byMed < 0 || byMed > 0 ? byMed : this.#compare(left, right, firstStepAfterMed, stepCount);
    if (byRest !== 0) return byRest < 0 ? left : right;
    const best = this.#compareEquals(left, right) > 0 ? right : left;
    const isAlone = this.#limitFor(best) < 2 || !this.#isAlike(best === left ? right : left, best);
    return isAlone ? best : undecided;
  }

  /** RFC 4271 §9.1.1 and §9.1.2.2 a to e, in the order of `stepsBeforeMed` and `stepsAfterMed`. */
  #narrow(rows: number[]): void {
    for (let step = 0; step < firstStepAfterMed && rows.length > 1; step++) this.#keepBest(rows, step);
    if (rows.length > 1) this.#narrowByMed(rows);
    for (let step = firstStepAfterMed; step < stepCount && rows.length > 1; step++) this.#keepBest(rows, step);
  }

  /** Below 0 if `left` is better in the first of these steps in which they differ, 0 if there is none. */
  #compare(left: number, right: number, firstStep: number, endStep: number): number {
    for (let step = firstStep; step < endStep; step++) {
      const order = this.#valueOf(left, step) - this.#valueOf(right, step);
      if (order !== 0) return order;
    }
    return 0;
  }

  /** What counts in a step; the smallest is the best. */
  #valueOf(row: number, step: number): number {
    const { attributes, paths } = this.#tables;
    const id = paths.accepted[row] ?? 0;
    switch (step) {
      case 0:
        return attributes.traitsOf(id) & Trait.lastResort;
      case 1:
        return -(attributes.localPrefOf(id) ?? defaultLocalPref);
      case 2:
        return this.#tables.sourceOf(row).kind === "local" ? 0 : 1;
      case 3:
        return this.#options.asPathIgnore ? 0 : attributes.asPathLengthOf(id);
      case 4:
        return attributes.originOf(id);
      case 5:
        return this.#isExternal(row) ? 0 : 1;
      default:
        return this.metricOf(row) ?? 0;
    }
  }

  #keepBest(rows: number[], step: number): void {
    let smallest = Number.POSITIVE_INFINITY;
    let kept = 0;
    for (const row of rows) {
      const own = this.#valueOf(row, step);
      if (own < smallest) {
        smallest = own;
        rows[0] = row;
        kept = 1;
      } else if (own === smallest) rows[kept++] = row;
    }
    rows.length = kept;
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

  /** How many paths may be chosen where this is the best. */
  #limitFor(best: number): number {
    const source = this.#tables.sourceOf(best);
    if (source.kind === "local") return 1;
    return source.type === "ebgp" ? this.#options.multipathEbgp : this.#options.multipathIbgp;
  }

  /** One path per next hop; routes of our own are never balanced with others. */
  #multipath(ordered: readonly number[]): readonly number[] {
    const { paths, nextHops } = this.#tables;
    const best = ordered[0] ?? none;
    const limit = this.#limitFor(best);
    const chosen = [best];
    for (const row of ordered) {
      if (chosen.length >= limit) break;
      if (row === best || !this.#isAlike(row, best)) continue;
      const address = nextHops.get(paths.nextHops[row] ?? none)?.nextHop.address;
      const isNew = chosen.every((other) => {
        const known = nextHops.get(paths.nextHops[other] ?? none)?.nextHop.address;
        return known === undefined || address === undefined || !known.equals(address);
      });
      if (isNew) chosen.push(row);
    }
    return chosen;
  }

  /** True if the path may be chosen beside the best, as far as its AS_PATH goes. */
  #isAlike(row: number, best: number): boolean {
    const { attributes, paths } = this.#tables;
    if (paths.nextHops[row] === none) return false;
    return (
      this.#options.multipathRelaxed || attributes.asPathsEqual(paths.accepted[row] ?? 0, paths.accepted[best] ?? 0)
    );
  }
}
