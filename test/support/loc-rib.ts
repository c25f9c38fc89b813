import { expect } from "vitest";
import type { RouteComposer } from "../../src/agent/routing/composer.ts";
import { GatheredRoutes } from "../../src/agent/routing/gathered-routes.ts";
import type { RoutingChanges } from "../../src/agent/routing/sources.ts";
import { type ForwardingPath, forwardingPathOf, type LocRibRows } from "../../src/bgp/loc-rib-rows.ts";
import type { LocRibChange } from "../../src/bgp/paths.ts";
import type { Prefix } from "../../src/net/prefix.ts";
import type { PrefixIndex } from "../../src/net/prefix-index.ts";

/** A Loc-RIB that is told what changes. Rows of prefixes that are gone become those of the next ones, as soon as may be. */
export class ToldLocRib implements LocRibRows {
  readonly #rows = new Map<string, number>();
  readonly #changes: LocRibChange[] = [];
  readonly #free: number[] = [];

  /** Tells the composer, whose index this is; what follows from it. */
  tell(composer: RouteComposer, index: PrefixIndex, changes: readonly LocRibChange[]): RoutingChanges {
    const rows = changes.map((change) => {
      const key = change.prefix.toString();
      const row = this.#rows.get(key) ?? this.#free.pop() ?? this.#changes.length;
      this.#rows.set(key, row);
      this.#changes[row] = change;
      return row;
    });
    const fib = new GatheredRoutes(index);
    composer.updateLearned(rows, this, fib);
    for (const { prefix, paths, unresolved = [] } of changes) {
      const row = this.#rows.get(prefix.toString());
      if (row === undefined || paths.length + unresolved.length > 0) continue;
      this.#rows.delete(prefix.toString());
      this.#free.push(row);
    }
    return { fib, originate: { announce: [], withdraw: [] } };
  }

  prefixOf(row: number): Prefix {
    return this.changeOf(row).prefix;
  }

  isGone(row: number): boolean {
    const { paths, unresolved = [] } = this.changeOf(row);
    return paths.length + unresolved.length === 0;
  }

  onlyPathOf(row: number): ForwardingPath | undefined {
    const [first, second] = this.changeOf(row).paths;
    return first === undefined || second !== undefined ? undefined : forwardingPathOf(first);
  }

  changeOf(row: number): LocRibChange {
    const change = this.#changes[row];
    if (change === undefined) throw new RangeError(`row ${row} has no prefix`);
    return change;
  }
}

/** Holds what a speaker tells as rows against what it tells as changes, and to the promise of when a row may change hands. */
export class RowWitness {
  readonly #prefixes = new Map<number, string>();

  see(rows: Int32Array | readonly number[], table: LocRibRows): void {
    for (const row of rows) {
      const change = table.changeOf(row);
      const { prefix, paths, unresolved = [] } = change;
      const known = this.#prefixes.get(row);
      expect([known ?? `${prefix}`, `${table.prefixOf(row)}`]).toEqual([`${prefix}`, `${prefix}`]);
      const [only] = paths;
      expect(table.onlyPathOf(row)).toEqual(
        only === undefined || paths.length > 1 ? undefined : forwardingPathOf(only),
      );
      expect(table.isGone(row)).toBe(paths.length + unresolved.length === 0);
      if (paths.length + unresolved.length > 0) this.#prefixes.set(row, `${prefix}`);
      else this.#prefixes.delete(row);
    }
  }
}
