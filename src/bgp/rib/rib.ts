import type { Prefix } from "../../net/prefix.ts";
import type { Family } from "../packet/family.ts";
import type { NextHop } from "../packet/message.ts";
import { WellKnownCommunity } from "../packet/well-known-communities.ts";
import type { PathSource } from "../paths.ts";
import type { AdjRibIn, ImportSide } from "./adj-rib-in.ts";
import { AttributeTable } from "./attribute-table.ts";
import { ChoiceTable, type Settled } from "./choice-table.ts";
import type { DecisionOptions } from "./decision-steps.ts";
import { type NextHopResolver, NextHopTable, type TrackedNextHop } from "./next-hop-table.ts";
import { none, PathFlag, PathRows } from "./path-rows.ts";
import { PathSlots } from "./path-slots.ts";
import { PlainPaths, type PlainRoute } from "./plain-paths.ts";
import { PrefixRows } from "./prefix-rows.ts";
import { RowDecision } from "./row-decision.ts";
import { SourceTable } from "./source-table.ts";

/** What `announce` is about: all but the prefix. */
interface Announcement extends PlainRoute {
  /** The number of the accepted attributes, none if refused, undefined if it depends on the prefix or is not known yet. */
  verdict: number | undefined;
}

/**
 * All paths of all sources and the choice among them (Loc-RIB, RFC 4271 §3.2), as rows of numbers: `prefixes`, `paths`,
 * `attributes`. `RibViews` makes objects of them.
 *
 * Changes only mark the prefix; `settle` then chooses once per prefix, however many changes one turn brought. A prefix without
 * paths keeps its row until `purge`, so that whoever queued it finds the same row when the prefix returns.
 */
export class Rib {
  readonly prefixes = new PrefixRows();
  readonly attributes = new AttributeTable();
  readonly paths = new PathRows();
  readonly nextHops: NextHopTable;
  readonly slots: PathSlots;
  readonly decision: RowDecision;
  readonly choices: ChoiceTable;
  readonly #onRefused: ((path: number) => void) | undefined;
  readonly #plain: PlainPaths;
  readonly #sources = new SourceTable();
  #announcement: Announcement | undefined;

  /** `onRefused` hears of the rows of paths that their source's rules keep out. */
  constructor(options: DecisionOptions, resolve: NextHopResolver, onRefused?: (path: number) => void) {
    this.#onRefused = onRefused;
    this.nextHops = new NextHopTable(resolve);
    const { paths, attributes, nextHops } = this;
    this.decision = new RowDecision({ paths, attributes, nextHops, sourceOf: (row) => this.sourceOf(row) }, options);
    this.choices = new ChoiceTable(paths, this.decision, (row) => this.#free(row));
    this.slots = new PathSlots(paths);
    this.#plain = new PlainPaths(this);
  }

  /** A source of routes. */
  createTable(source: PathSource, side: ImportSide): AdjRibIn {
    return this.#sources.create(source, side);
  }

  /** Removes a source with its routes. */
  dropTable(table: AdjRibIn): void {
    this.removeWhere(table, () => true);
    table.closed = true;
    if (table.rows === 0) this.#sources.remove(table.id);
  }

  /** The source of a path. */
  tableOf(row: number): AdjRibIn {
    return this.#sources.get(this.paths.tables[row] ?? none);
  }

  sourceOf(row: number): PathSource {
    return this.tableOf(row).source;
  }

  trackedOf(row: number): TrackedNextHop | undefined {
    return this.nextHops.get(this.paths.nextHops[row] ?? none);
  }

  /** Calls `visit` with every path of the source. Rows may be replaced and removed meanwhile. */
  eachOf(table: AdjRibIn, visit: (row: number) => void): void {
    const rows = new Int32Array(table.size);
    const { paths } = this;
    for (let row = 0, count = 0; count < rows.length && row < paths.end; row++)
      if (paths.tables[row] === table.id && !paths.has(row, PathFlag.gone)) rows[count++] = row;
    for (const row of rows) visit(row);
  }

  /**
   * Begins to announce routes of `table`'s source that share attributes and next hop; `announce` then takes their prefixes, and
   * `endAnnouncement` ends it.
   */
  beginAnnouncement(table: AdjRibIn, attributes: number, nextHop: NextHop | undefined): void {
    this.attributes.retain(attributes);
    const hop = nextHop === undefined ? none : this.nextHops.take(nextHop);
    const verdict = table.side.passes(this.attributes, attributes, nextHop) ? attributes : undefined;
    if (verdict !== undefined) this.attributes.retain(verdict);
    this.#announcement = { table, attributes, nextHop: hop, verdict };
  }

  /** One route of the announcement; replaces the source's path of the same prefix and path identifier. */
  announce(prefix: number, pathId: number): void {
    const announcement = this.#announcement;
    if (announcement === undefined) throw new TypeError("no announcement has begun");
    const { table, attributes, nextHop } = announcement;
    const { paths } = this;
    this.choices.extend(prefix);
    const known = this.#find(table, prefix, pathId);
    if (known !== none && paths.received[known] === attributes && paths.nextHops[known] === nextHop) {
      paths.clear(known, PathFlag.awaitsRefresh);
      this.#setStale(known, false);
      return;
    }
    let { verdict } = announcement;
    if (verdict === undefined) {
      verdict = this.#judge(table, prefix, attributes, nextHop);
      // The number stays held for the next route as well as for this one.
      if (!table.side.looksAtPrefix) announcement.verdict = verdict;
      if (verdict !== none && !table.side.looksAtPrefix) this.attributes.retain(verdict);
    } else if (verdict !== none) this.attributes.retain(verdict);
    const row = this.#add(table, prefix, pathId, attributes, nextHop, verdict);
    if (verdict === none) this.#onRefused?.(row);
    this.#replace(prefix, known, row);
  }

  /** As `announce` for `prefixes` from `from` to `to`, which are IPv4; what stands there afterwards is of no use. */
  announceAll(prefixes: Int32Array, from: number, to: number): void {
    const announcement = this.#announcement;
    if (announcement === undefined) throw new TypeError("no announcement has begun");
    const isPlain = announcement.verdict === announcement.attributes;
    const end = isPlain ? this.#plain.announce(announcement, prefixes, from, to) : to;
    for (let index = from; index < end; index++) this.announce(prefixes[index] ?? none, 0);
  }

  endAnnouncement(): void {
    const announcement = this.#announcement;
    if (announcement === undefined) return;
    this.#announcement = undefined;
    const { attributes, nextHop, verdict } = announcement;
    this.attributes.release(attributes);
    if (nextHop !== none) this.nextHops.release(nextHop);
    if (verdict !== undefined && verdict !== none) this.attributes.release(verdict);
  }

  /** True if the source has this route. */
  has(table: AdjRibIn, prefix: Prefix, pathId: number): boolean {
    const row = this.prefixes.find(prefix);
    return row >= 0 && this.#find(table, row, pathId) !== none;
  }

  /** The source no longer has the route. Unknown ones, also negative rows, are ignored. */
  withdraw(table: AdjRibIn, prefix: number, pathId: number): void {
    const known = prefix < 0 ? none : this.#find(table, prefix, pathId);
    if (known !== none) this.#replace(prefix, known, none);
  }

  /** As `withdraw` for `prefixes` from `from` to `to`, which are IPv4; what stands there afterwards is of no use. */
  withdrawAll(table: AdjRibIn, prefixes: Int32Array, from: number, to: number): void {
    const end = this.#plain.withdraw(table, prefixes, from, to);
    for (let index = from; index < end; index++) this.withdraw(table, prefixes[index] ?? none, 0);
  }

  /** Removes the table's paths for which `condition` holds, e.g. those still stale. */
  removeWhere(table: AdjRibIn, condition: (row: number) => boolean): void {
    const { paths, prefixes } = this;
    const batch = new Int32Array(1024);
    let count = 0;
    for (let row = 0; row < paths.end; row++) {
      if (paths.tables[row] !== table.id || paths.has(row, PathFlag.gone) || !condition(row)) continue;
      const prefix = this.prefixOf(row);
      if (paths.idOf(row) === 0 && prefixes.familyOf(prefix) === "ipv4-unicast") batch[count++] = prefix;
      else this.#replace(prefix, row, none);
      if (count < batch.length) continue;
      this.withdrawAll(table, batch, 0, count);
      count = 0;
    }
    this.withdrawAll(table, batch, 0, count);
  }

  /** The source restarts gracefully: its paths of these families stay in use until it has announced them again. */
  markStale(table: AdjRibIn, families: readonly Family[]): void {
    this.eachOf(table, (row) => {
      if (this.isOf(row, families)) this.#setStale(row, true);
    });
  }

  /**
   * The source is away for longer than its restart time: its stale paths of these families become routes of last resort
   * (RFC 9494 §4.2), except those that do not want to be.
   */
  markLongLived(table: AdjRibIn, families: readonly Family[]): void {
    const { longLivedStale, noLongLivedStale } = WellKnownCommunity;
    this.eachOf(table, (row) => {
      if (!this.paths.has(row, PathFlag.stale) || !this.isOf(row, families)) return;
      const attributes = this.attributes.get(this.paths.received[row] ?? 0);
      const { communities } = attributes;
      if (communities.includes(noLongLivedStale)) this.#replace(this.prefixOf(row), row, none);
      else if (!communities.includes(longLivedStale)) {
        const id = this.attributes.take({ ...attributes, communities: [...communities, longLivedStale] });
        this.#renew(row, id, this.#judge(table, this.prefixOf(row), id, this.paths.nextHops[row] ?? none));
        this.attributes.release(id);
      }
    });
  }

  /** The source announces all its routes of a family again (RFC 7313 §4). */
  beginRefresh(table: AdjRibIn, family: Family): void {
    this.eachOf(table, (row) => {
      if (this.isOf(row, [family])) this.paths.set(row, PathFlag.awaitsRefresh);
    });
  }

  /** The source has done so: what it did not announce is gone. */
  endRefresh(table: AdjRibIn, family: Family): void {
    this.removeWhere(table, (row) => this.paths.has(row, PathFlag.awaitsRefresh) && this.isOf(row, [family]));
  }

  /** Runs the table's rules over all its paths again, after they or (`sourceChanged`) the source changed. */
  reevaluate(table: AdjRibIn, sourceChanged: boolean): void {
    this.eachOf(table, (row) => this.#judgeAgain(row, sourceChanged));
  }

  /** Asks the resolver again, once per next hop, and looks at the paths whose next hops answered differently. */
  nextHopsChanged(): void {
    const { ids, interfaceChanged } = this.nextHops.refresh();
    if (ids.size === 0) return;
    const { paths } = this;
    for (let row = 0, end = paths.end; row < end; row++) {
      const nextHop = paths.nextHops[row] ?? none;
      if (!ids.has(nextHop) || !paths.isUsed(row) || paths.has(row, PathFlag.gone)) continue;
      const prefix = this.prefixOf(row);
      this.choices.mark(prefix);
      if (!interfaceChanged.has(nextHop)) continue;
      // Policies may ask for the interface: those of the import now, those of the export because the choice is told again.
      this.#judgeAgain(row, false);
      this.choices.restate(prefix);
    }
  }

  /** Chooses anew for up to `limit` marked prefixes. */
  settle(limit: number): Settled {
    return this.choices.settle(limit);
  }

  /** True if marked prefixes wait for `settle`. */
  get pending(): boolean {
    return this.choices.pending;
  }

  /** The places of a prefix's usable paths: of all of them, or of the best `limit` in their order. */
  slotsOf(prefix: number, limit: "all" | number): readonly number[] {
    const usable = this.choices.usable(prefix);
    const rows = limit === "all" ? usable : this.decision.rank(usable, limit);
    return rows.map((row) => this.slots.take(prefix, row));
  }

  /**
   * Forgets prefixes that have had no path for a while, up to `limit`; true if there are more of them. Only when nobody holds a row
   * or a slot for later, and nothing is pending.
   */
  purge(limit: number): boolean {
    this.slots.purge();
    if (this.choices.isDeserted) {
      this.choices.clear(this.prefixes.end);
      this.prefixes.removeAll();
      this.paths.removeAll();
      this.slots.clear();
      return false;
    }
    return this.choices.purge(limit, (prefix) => {
      this.slots.forget(prefix);
      this.prefixes.remove(prefix);
    });
  }

  /** The row of a path's prefix. */
  prefixOf(row: number): number {
    return this.paths.prefixes[row] ?? none;
  }

  isOf(row: number, families: readonly Family[]): boolean {
    return families.includes(this.prefixes.familyOf(this.prefixOf(row)));
  }

  #judgeAgain(row: number, sourceChanged: boolean): void {
    const table = this.tableOf(row);
    const { received, accepted, nextHops } = this.paths;
    const attributes = received[row] ?? 0;
    const verdict = this.#judge(table, this.prefixOf(row), attributes, nextHops[row] ?? none);
    if (!sourceChanged && accepted[row] === verdict) {
      if (verdict !== none) this.attributes.release(verdict);
      return;
    }
    const renewed = this.#renew(row, attributes, verdict);
    if (verdict === none) this.#onRefused?.(renewed);
  }

  /** Replaces a path by one of these attributes that is as stale. Takes over the hold of `verdict`. */
  #renew(row: number, attributes: number, verdict: number): number {
    const { paths } = this;
    const renewed = this.#add(
      this.tableOf(row),
      this.prefixOf(row),
      paths.idOf(row),
      attributes,
      paths.nextHops[row] ?? none,
      verdict,
    );
    if (paths.has(row, PathFlag.awaitsRefresh)) paths.set(renewed, PathFlag.awaitsRefresh);
    if (paths.has(row, PathFlag.stale)) this.#setStale(renewed, true);
    this.#replace(this.prefixOf(row), row, renewed);
    return renewed;
  }

  /** The number of the accepted attributes, held for the caller; none if the path is refused. */
  #judge(table: AdjRibIn, prefix: number, attributes: number, nextHop: number): number {
    const hop = this.nextHops.get(nextHop);
    if (table.side.passes(this.attributes, attributes, hop?.nextHop)) {
      this.attributes.retain(attributes);
      return attributes;
    }
    const received = this.attributes.get(attributes);
    const verdict = table.side.judge(this.prefixes.prefixOf(prefix), received, hop?.nextHop, hop?.interface);
    if (!verdict.accepted) return none;
    if (verdict.attributes !== received) return this.attributes.take(verdict.attributes);
    this.attributes.retain(attributes);
    return attributes;
  }

  #find(table: AdjRibIn, prefix: number, pathId: number): number {
    const { paths } = this;
    let row = this.choices.firstOf(prefix);
    while (row !== none && (paths.tables[row] !== table.id || paths.idOf(row) !== pathId))
      row = paths.next[row] ?? none;
    return row;
  }

  /** A row that is in no list yet. Takes over the hold of `accepted`. */
  #add(table: AdjRibIn, prefix: number, pathId: number, received: number, nextHop: number, accepted: number): number {
    const { paths } = this;
    const row = paths.add();
    paths.prefixes[row] = prefix;
    paths.received[row] = received;
    paths.accepted[row] = accepted;
    paths.nextHops[row] = nextHop;
    paths.tables[row] = table.id;
    paths.setId(row, pathId);
    this.attributes.retain(received);
    if (nextHop !== none) this.nextHops.retain(nextHop);
    if (accepted === none) paths.set(row, PathFlag.refused);
    else table.accepted++;
    if (this.prefixes.familyOf(prefix) === "ipv4-unicast") table.ipv4++;
    else table.ipv6++;
    table.rows++;
    return row;
  }

  #replace(prefix: number, old: number, row: number): void {
    const { paths } = this;
    const wasCandidate = old !== none && !paths.has(old, PathFlag.refused);
    if (row !== none) this.choices.append(prefix, row);
    if (old !== none) {
      this.slots.move(old, row);
      const table = this.tableOf(old);
      if (this.prefixes.familyOf(prefix) === "ipv4-unicast") table.ipv4--;
      else table.ipv6--;
      if (wasCandidate) table.accepted--;
      if (paths.has(old, PathFlag.stale)) table.stale--;
      this.choices.unlink(prefix, old);
      if (paths.has(old, PathFlag.chosen)) paths.set(old, PathFlag.gone);
      else this.#free(old);
    }
    // A refused path that comes or goes changes nothing for the choice.
    if (wasCandidate || (row !== none && !paths.has(row, PathFlag.refused))) this.choices.mark(prefix);
  }

  #free(row: number): void {
    const { paths } = this;
    const table = this.tableOf(row);
    const received = paths.received[row] ?? 0;
    const accepted = paths.accepted[row] ?? none;
    this.attributes.release(received, accepted === received ? 2 : 1);
    if (accepted !== none && accepted !== received) this.attributes.release(accepted);
    const nextHop = paths.nextHops[row] ?? none;
    if (nextHop !== none) this.nextHops.release(nextHop);
    paths.remove(row);
    table.rows--;
    if (table.closed && table.rows === 0) this.#sources.remove(table.id);
  }

  #setStale(row: number, stale: boolean): void {
    const { paths } = this;
    if (paths.has(row, PathFlag.stale) === stale) return;
    if (stale) paths.set(row, PathFlag.stale);
    else paths.clear(row, PathFlag.stale);
    this.tableOf(row).stale += stale ? 1 : -1;
    if (paths.has(row, PathFlag.chosen)) this.choices.restate(this.prefixOf(row));
  }
}
