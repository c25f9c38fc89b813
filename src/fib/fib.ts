import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { noRow, PrefixIndex } from "../net/prefix-index.ts";
import type { RouteWriter } from "../netlink/route-batch.ts";
import {
  type InterfaceAddress,
  type KernelRoute,
  type Link,
  mainTable,
  type Netlink,
  type NetlinkEvent,
  RouteProtocol,
  type RouteShape,
} from "../netlink/types.ts";
import { findDifferences, type KernelDifference, routeText } from "./difference.ts";
import { type ChangeCause, KernelTable } from "./kernel-table.ts";
import { LinkTable } from "./link-table.ts";
import { NextHops } from "./next-hops.ts";
import { isOwn, isTakeable, type Ownership } from "./ownership.ts";
import { Reconciler } from "./reconciler.ts";
import { describeFight, isContested } from "./repairs.ts";
import { Resync } from "./resync.ts";
import { type Held, holdsOnly, shapesIn } from "./shapes.ts";
import { adoptedRoute } from "./status.ts";
import type { FibUpdate, RouteSink, RouteStatus, RouteTally, StatusChange } from "./types.ts";
import { type SharedWish, WishTable } from "./wish-table.ts";
import { Writer } from "./writer.ts";

/** How a `Fib` is made; see there. */
export interface FibOptions {
  readonly netlink: Netlink & RouteWriter;
  readonly clock: Clock;
  readonly logger: Logger;
  /** RTPROT_* of our routes; default 202. Nobody else on the node may use it. */
  readonly protocol?: number;
  /** RTPROT_* of routes that ours take the place of at a wanted prefix, e.g. 12 and 80 to migrate; default none. */
  readonly takeover?: readonly number[];
  /** 0 ≤ x < 1, for the jitter of the periodic comparison. */
  readonly random?: () => number;
  /** Called after each batch with every status that changed meanwhile; one that nobody looks at costs nothing. */
  readonly onStatusChange?: (changes: Iterable<StatusChange>) => void;
  /** Called when answers of `interfaceTo` may have changed, once for all events of a moment. */
  readonly onReachabilityChange?: () => void;
}

/**
 * Keeps desired routes in the kernel's main table.
 *
 *     update ─► Reconciler ─► planPrefix ─► Writer ─► netlink ─► kernel
 *                  ▲    ▲                     │ answers              │
 *                  │    └─── KernelTable ◄────┘                      │ events, dumps
 *                  └─ WishTable ◄─ NextHops ◄─ LinkTable, KernelTable ◄┘
 *
 * A prefix is a row of one index, by which all of them keep what they know of it in arrays; what many routes have in common,
 * their wishes and their forms in the kernel, is there once.
 *
 * Routes of our protocol number in the main table belong to us, all others are left alone, but for those to take over. A route is replaced in place
 * and never deleted before its successor is there. What others do to our routes is undone within moments, unless they
 * insist. (Between the event of a foreign write and our own replace of the same key lies a moment that netlink gives no
 * means to close; a key that we believe free is written so that the kernel refuses if it is not.)
 */
export class Fib {
  readonly #netlink: Netlink;
  readonly #clock: Clock;
  readonly #ownership: Ownership;
  readonly #isOwn: (route: RouteShape) => boolean;
  readonly #onStatusChange: (changes: Iterable<StatusChange>) => void;
  readonly #onReachabilityChange: () => void;
  #reachabilityTold = true;
  readonly #links = new LinkTable();
  /** Numbers all prefixes that it has to do with. Whoever gives routes by their rows takes holders from 32 on. */
  readonly index = new PrefixIndex();
  readonly #table: KernelTable;
  readonly #nextHops: NextHops<SharedWish>;
  readonly #wishes: WishTable;
  readonly #writer: Writer;
  readonly #reconciler: Reconciler;
  readonly #resync: Resync;
  /** Prefixes of foreign routes that changed and that next hops have not yet been told about. */
  #foreignChanges: Prefix[] = [];
  #unsubscribe: (() => void) | undefined;

  constructor(options: FibOptions) {
    const { netlink, clock } = options;
    const logger = options.logger.child({ part: "fib" });
    this.#netlink = netlink;
    this.#clock = clock;
    this.#ownership = { protocol: options.protocol ?? RouteProtocol.calibird, takeover: options.takeover ?? [] };
    this.#onStatusChange = options.onStatusChange ?? (() => {});
    this.#onReachabilityChange = options.onReachabilityChange ?? (() => {});
    this.#isOwn = (route) => isOwn(route, this.#ownership);
    this.#table = new KernelTable(this.index, (row, before, after, cause) =>
      this.#tableChanged(row, before, after, cause),
    );
    this.#nextHops = new NextHops(this.#table, this.#links, (route) => !this.#isOwn(route));
    this.#wishes = new WishTable(this.#nextHops, this.#ownership.protocol);
    this.#writer = new Writer(netlink, this.#table, this.index);
    this.#resync = new Resync({
      clock,
      logger,
      random: options.random ?? Math.random,
      dump: () => this.#dump(),
    });
    this.#reconciler = new Reconciler({
      clock,
      logger,
      ownership: this.#ownership,
      index: this.index,
      table: this.#table,
      wishes: this.#wishes,
      writer: this.#writer,
      onChange: (rows) => this.#onStatusChange(this.#statusChanges(rows)),
      requestDump: () => this.#resync.request(),
    });
  }

  /**
   * Subscribes to the kernel's events and reads links and routes. Own routes from before are kept as `stale` until they
   * are desired again or `sweepStale` is called. Rejects if netlink does.
   */
  async start(): Promise<void> {
    this.#unsubscribe = await this.#netlink.subscribe(["link", "address", "route"], (events) => this.#onEvents(events));
    await this.#dump();
    this.#reconciler.start();
    this.#resync.start();
  }

  /** Stops all work and leaves the routes in the kernel. */
  stop(): void {
    this.#unsubscribe?.();
    this.#resync.stop();
    this.#reconciler.stop();
  }

  /** Changes what is desired; may be called before `start`. Costs in proportion to the change. */
  update(update: FibUpdate): void {
    this.#reconciler.update(update);
  }

  /** As `update`, by rows of `index`: what `give` puts into the sink. Nothing of it is written before `give` returns. */
  updateRows(give: (sink: RouteSink) => void): void {
    this.#reconciler.updateRows(give);
  }

  /** Deletes the routes from before the restart that nobody has desired since. */
  sweepStale(): void {
    this.#reconciler.sweep();
  }

  /** Resolves when every change so far has been written or refused. */
  flush(): Promise<void> {
    return this.#reconciler.flush();
  }

  /** All desired and kept routes, IPv4 first, ascending. */
  *statuses(): IterableIterator<RouteStatus> {
    // The rows of some may be gone, or have other prefixes, when their turn comes.
    const prefixes = this.#reconciler.entries.rows().map((row) => this.index.prefixOf(row));
    for (const prefix of prefixes) {
      const status = this.status(prefix);
      if (status !== undefined) yield status;
    }
  }

  /** How many routes are in each state, and those that other programs fight over or stand in the way of. */
  tally(): RouteTally {
    const { counts, conflicts, repaired } = this.#reconciler.entries;
    const contested = [...repaired]
      .map((row) => this.#statusOf(row))
      .filter((status) => status.contested !== undefined);
    const [firstConflict] = conflicts;
    return {
      counts: { ...counts },
      contested,
      ...(firstConflict !== undefined && { firstConflict: this.#statusOf(firstConflict) }),
    };
  }

  status(prefix: Prefix): RouteStatus | undefined {
    const row = this.index.find(prefix);
    return row === noRow || !this.#reconciler.entries.has(row) ? undefined : this.#statusOf(row);
  }

  /** The most specific desired or kept route that covers the address. */
  lookup(address: IpAddress): RouteStatus | undefined {
    const row = this.#reconciler.lookup(address);
    return row === noRow ? undefined : this.#statusOf(row);
  }

  /**
   * The interface by which packets to a gateway leave, by the routes of others: connected ones and, for a gateway behind a
   * router, those that lead to it. Undefined if none does.
   */
  interfaceTo(gateway: IpAddress): string | undefined {
    return this.#nextHops.interfaceTo(gateway);
  }

  /** Where the kernel, read anew, does not have what it shall. Rejects if it cannot be read. */
  async differences(): Promise<KernelDifference[]> {
    const routes = await this.#netlink.routes();
    return findDifferences(this.#reconciler.wanted(), routes, this.#ownership);
  }

  /** For people. */
  routeText(route: KernelRoute): string {
    return routeText(route, (index) => this.#links.byIndex(index)?.name);
  }

  /** Other people's routes inside a prefix, itself included, but for those to take over; looks at the whole table. */
  foreignWithin(prefix: Prefix): readonly KernelRoute[] {
    const found: KernelRoute[] = [];
    for (const [inner] of this.#table.entries()) if (prefix.contains(inner)) found.push(...this.foreignAt(inner));
    return found.sort((left, right) => left.destination.compare(right.destination));
  }

  /** The same of exactly this prefix. */
  foreignAt(prefix: Prefix): readonly KernelRoute[] {
    const isOurs = (route: KernelRoute) => isOwn(route, this.#ownership) || isTakeable(route, this.#ownership);
    return this.#table.at(prefix).filter((route) => !isOurs(route));
  }

  #statusOf(row: number): RouteStatus {
    const { entries } = this.#reconciler;
    const prefix = this.index.prefixOf(row);
    const own = shapesIn(this.#table.held(row)).find(this.#isOwn);
    const index = own?.type === "unicast" ? own.nextHops[0]?.interfaceIndex : undefined;
    const device = index === undefined ? undefined : this.#links.byIndex(index)?.name;
    const wish = this.#wishes.of(row)?.wish;
    const repairs = entries.repairsOf(row);
    return {
      route: wish === undefined ? adoptedRoute(prefix, own, this.#links) : { ...wish, prefix },
      state: entries.stateOf(row),
      reason: entries.reasonOf(row),
      sinceMs: entries.sinceOf(row),
      ...(isContested(repairs, this.#clock.monotonicMs()) && { contested: describeFight(repairs) }),
      ...(device === undefined ? {} : { device }),
      protocol: this.#ownership.protocol,
    };
  }

  *#statusChanges(rows: readonly number[]): IterableIterator<StatusChange> {
    for (const row of rows) {
      if (this.#reconciler.entries.has(row)) {
        const status = this.#statusOf(row);
        yield { prefix: status.route.prefix, status };
      } else yield { prefix: this.index.prefixOf(row) };
    }
  }

  #tableChanged(row: number, before: Held, after: Held, cause: ChangeCause): void {
    if (!holdsOnly(before, this.#isOwn) || !holdsOnly(after, this.#isOwn))
      this.#foreignChanges.push(this.index.prefixOf(row));
    this.#reconciler.tableChanged(row, cause, after);
  }

  async #dump(): Promise<void> {
    this.#links.beginDump();
    this.#table.beginDump();
    const links = await this.#netlink.links();
    const routes = await this.#netlink.routes();
    const { present, gone } = this.#links.endDump(links);
    for (const link of gone) this.#linkGone(link);
    for (const link of present) this.#linkNew(link);
    await this.#table.endDump(routes);
    this.#spreadForeignChanges();
  }

  #onEvents(events: readonly NetlinkEvent[]): void {
    for (const event of events) {
      switch (event.type) {
        case "route":
          this.#onRoute(event);
          break;
        case "link":
          if (event.action === "new") this.#linkNew(event.link);
          else this.#linkGone(event.link);
          this.#reconciler.surroundingsChanged();
          break;
        case "address":
          this.#onAddress(event.action, event.address);
          break;
        case "neighbour":
        case "forwarding":
          break;
        case "overrun":
          this.#resync.request();
          break;
      }
    }
    this.#spreadForeignChanges();
  }

  #onRoute(event: Extract<NetlinkEvent, { readonly type: "route" }>): void {
    if (event.route.table !== mainTable) return;
    const row = this.index.find(event.route.destination);
    if (row !== noRow) this.#writer.observe(row, event.action, event.route);
    if (event.action === "new") this.#table.add(event.route, event.replaced === true);
    else if (!this.#table.remove(event.route)) this.#resync.request();
  }

  #onAddress(action: "new" | "delete", { address }: InterfaceAddress): void {
    // With a device's last IPv4 address, or with a preferred source, routes vanish without an event.
    if (action === "delete" && address.family === 4) this.#resync.request();
    this.#reconciler.surroundingsChanged();
  }

  #linkNew(link: Link): void {
    const before = this.#links.set(link);
    if (before?.up === true && !link.up) this.#deviceLost(link.index);
    // A device that enters or leaves a VRF loses its routes.
    if (before !== undefined && before.masterIndex !== link.masterIndex) this.#resync.request();
    if (before !== undefined && before.up === link.up && before.name === link.name) return;
    if (before !== undefined && before.name !== link.name) this.#linkChanged(before.name);
    this.#linkChanged(link.name);
  }

  #linkGone(link: Link): void {
    this.#links.delete(link.index);
    this.#deviceLost(link.index);
    this.#linkChanged(link.name);
  }

  #deviceLost(index: number): void {
    void this.#table.dropDevice(index).then((isCertain) => {
      if (!isCertain) this.#resync.request();
      this.#spreadForeignChanges();
    });
  }

  #reachabilityChanged(): void {
    if (!this.#reachabilityTold) return;
    this.#reachabilityTold = false;
    queueMicrotask(() => {
      this.#reachabilityTold = true;
      this.#onReachabilityChange();
    });
  }

  #linkChanged(name: string): void {
    this.#reachabilityChanged();
    this.#reconciler.nextHopsChanged(this.#nextHops.linkChanged(name));
  }

  #spreadForeignChanges(): void {
    if (this.#foreignChanges.length === 0) return;
    const changed = this.#foreignChanges;
    this.#foreignChanges = [];
    this.#reachabilityChanged();
    this.#reconciler.nextHopsChanged(this.#nextHops.routesChanged(changed));
    this.#reconciler.surroundingsChanged();
  }
}
