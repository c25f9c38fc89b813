import type { ForwardingPath } from "../../bgp/loc-rib-rows.ts";
import { Prefix } from "../../net/prefix.ts";
import { noRow, type PrefixIndex, putAt } from "../../net/prefix-index.ts";
import { PrefixMap } from "../../net/prefix-map.ts";
import { RowLists } from "../../net/row-lists.ts";

const none: readonly ForwardingPath[] = [];

/** The holder of rows with paths, beside those of the FIB. */
const learned = 32;

/** What was learned by BGP, by prefix and by next hop. */
export class LearnedRoutes {
  readonly #index: PrefixIndex;
  readonly #paths: (readonly ForwardingPath[] | undefined)[] = [];
  /** The last single path, which many prefixes in a row have in common: kept once for all of them. */
  #single: readonly [ForwardingPath] | undefined;
  /** By next hop, as a host prefix, the rows with no other next hop, as most are, and those that have others as well. */
  readonly #listOf = new PrefixMap<number>();
  readonly #lists = new RowLists();
  readonly #alsoBy = new PrefixMap<Set<number>>();
  /** The last next hop that was asked for: routes with the same one come one after the other. */
  #latest: { readonly host: Prefix; readonly list: number } | undefined;

  /** Of the holders in the index this takes 32. */
  constructor(index: PrefixIndex) {
    this.#index = index;
  }

  /** The paths of a prefix, best first; empty if it was not learned. */
  get(prefix: Prefix): readonly ForwardingPath[] {
    const row = this.#index.find(prefix);
    return row === noRow ? none : this.at(row);
  }

  /** The same by the prefix's row. */
  at(row: number): readonly ForwardingPath[] {
    return this.#paths[row] ?? none;
  }

  /** As `set` of one path. */
  setOnly(row: number, path: ForwardingPath): boolean {
    if (this.#single?.[0] !== path) this.#single = [path];
    return this.set(row, this.#single);
  }

  /** Replaces all paths of a row, which somebody else holds as well; true if there are any, else it is gone. */
  set(row: number, paths: readonly ForwardingPath[]): boolean {
    const before = this.#paths[row];
    const nextHop = paths.length === 1 ? paths[0]?.nextHop?.address : undefined;
    if (before !== undefined && before.length !== 1) this.#forgetAlso(row, before);
    if (nextHop !== undefined) this.#lists.add(this.#list(Prefix.host(nextHop)), row);
    else {
      this.#lists.remove(row);
      if (paths.length > 1) this.#noteAlso(row, paths);
    }
    if (paths.length > 0) {
      putAt(this.#paths, row, paths, undefined);
      this.#index.holdRow(row, learned);
      return true;
    }
    if (before !== undefined) this.#paths[row] = undefined;
    this.#index.release(row, learned);
    return false;
  }

  /** Prefixes with a path by one of these next hops; costs in proportion to the answer. */
  through(hosts: Iterable<Prefix>): Prefix[] {
    const prefixes: Prefix[] = [];
    for (const host of hosts) {
      const list = this.#listOf.get(host);
      const only = list === undefined ? [] : this.#lists.rows(list);
      for (const row of [...only, ...(this.#alsoBy.get(host) ?? [])]) prefixes.push(this.#index.prefixOf(row));
    }
    return prefixes;
  }

  /** Prefixes inside one of these; looks at all of them. */
  within(ranges: readonly Prefix[]): Prefix[] {
    if (ranges.length === 0) return [];
    return [...this.#index.rows(learned)]
      .map((row) => this.#index.prefixOf(row))
      .filter((prefix) => ranges.some((range) => range.contains(prefix)));
  }

  /** The list of a next hop, made if it has none; it stays, since next hops are few and come back. */
  #list(host: Prefix): number {
    if (this.#latest?.host.equals(host)) return this.#latest.list;
    let list = this.#listOf.get(host);
    if (list === undefined) {
      list = this.#lists.open();
      this.#listOf.set(host, list);
    }
    this.#latest = { host, list };
    return list;
  }

  #noteAlso(row: number, paths: readonly ForwardingPath[]): void {
    for (const { nextHop } of paths) {
      if (nextHop === undefined) continue;
      const host = Prefix.host(nextHop.address);
      this.#alsoBy.set(host, (this.#alsoBy.get(host) ?? new Set()).add(row));
    }
  }

  #forgetAlso(row: number, paths: readonly ForwardingPath[]): void {
    for (const { nextHop } of paths) {
      if (nextHop === undefined) continue;
      const host = Prefix.host(nextHop.address);
      const rows = this.#alsoBy.get(host);
      rows?.delete(row);
      if (rows?.size === 0) this.#alsoBy.delete(host);
    }
  }
}
