import type { AdjRibIn } from "./adj-rib-in.ts";
import type { AttributeTable } from "./attribute-table.ts";
import type { ChoiceTable } from "./choice-table.ts";
import type { NextHopTable } from "./next-hop-table.ts";
import { none, PathFlag, type PathRows } from "./path-rows.ts";

/** What plain paths stand in. */
interface PlainTables {
  readonly paths: PathRows;
  readonly choices: ChoiceTable;
  readonly attributes: AttributeTable;
  readonly nextHops: NextHopTable;
}

/** What the routes of one UPDATE have in common. */
export interface PlainRoute {
  readonly table: AdjRibIn;
  readonly attributes: number;
  readonly nextHop: number;
}

/**
 * What `Rib` does for one route of a source after the other, done for all IPv4 routes of an UPDATE at once where nothing is out of the
 * ordinary: a path that the source did not have, is accepted as it came, and has no identifier; and the end of one that is chosen. The rest
 * is left to `Rib`. A test holds one against the other.
 */
export class PlainPaths {
  readonly #tables: PlainTables;

  constructor(tables: PlainTables) {
    this.#tables = tables;
  }

  /**
   * Adds a path to each of `prefixes` from `from` to `to`. Those of which the source has one are left, from `from` on; where they end.
   */
  announce(route: PlainRoute, prefixes: Int32Array, from: number, to: number): number {
    const { table, attributes, nextHop } = route;
    const { paths, choices } = this.#tables;
    const { id } = table;
    let left = from;
    for (let index = from; index < to; index++) {
      const prefix = prefixes[index] ?? none;
      choices.extend(prefix);
      let last = none;
      let known = choices.firstOf(prefix);
      while (known !== none && paths.tables[known] !== id) {
        last = known;
        known = paths.next[known] ?? none;
      }
      if (known !== none) {
        prefixes[left++] = prefix;
        continue;
      }
      const path = paths.add();
      paths.prefixes[path] = prefix;
      paths.received[path] = attributes;
      paths.accepted[path] = attributes;
      paths.nextHops[path] = nextHop;
      paths.tables[path] = id;
      choices.appendBehind(prefix, last, path);
      choices.mark(prefix);
    }
    const added = to - left;
    this.#tables.attributes.retain(attributes, 2 * added);
    if (nextHop !== none) this.#tables.nextHops.retain(nextHop, added);
    table.accepted += added;
    table.ipv4 += added;
    table.rows += added;
    return left;
  }

  /** Takes the source's path from each of `prefixes` from `from` to `to`; the rest is left, from `from` on; where it ends. */
  withdraw(table: AdjRibIn, prefixes: Int32Array, from: number, to: number): number {
    const { paths, choices } = this.#tables;
    const { id } = table;
    let left = from;
    let removed = 0;
    for (let index = from; index < to; index++) {
      const prefix = prefixes[index] ?? none;
      let before = none;
      let path = prefix === none ? none : choices.firstOf(prefix);
      while (path !== none && paths.tables[path] !== id) {
        before = path;
        path = paths.next[path] ?? none;
      }
      if (path === none) continue;
      if (paths.flags[path] !== PathFlag.chosen || paths.idOf(path) !== 0 || paths.slotOf(path) !== none) {
        prefixes[left++] = prefix;
        continue;
      }
      paths.flags[path] = PathFlag.chosen | PathFlag.gone;
      choices.unlinkBehind(prefix, before, path);
      choices.mark(prefix);
      removed++;
    }
    table.accepted -= removed;
    table.ipv4 -= removed;
    return left;
  }
}
