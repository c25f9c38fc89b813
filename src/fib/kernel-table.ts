import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { noRow, type PrefixIndex, putAt } from "../net/prefix-index.ts";
import type { KernelRoute, RouteShape } from "../netlink/types.ts";
import { DeviceRows } from "./device-rows.ts";
import { sameShape, sameShapeKey } from "./diff.ts";
import { holder } from "./holders.ts";
import { type Held, heldOf, isList, Shapes, shapesIn } from "./shapes.ts";
import { inSlices } from "./slices.ts";

const none: readonly KernelRoute[] = [];

/**
 * How a change became known: from an event, by comparing with a dump, because a device is down or gone, or from the kernel's
 * answer to our own write.
 */
export type ChangeCause = "event" | "dump" | "device" | "answer";

/** Hears of every change of what a row's prefix holds, after it. */
export type TableListener = (row: number, before: Held, after: Held, cause: ChangeCause) => void;

/**
 * What the kernel's main table holds, ours and everybody else's, kept current from dumps, events and the results of our
 * own writes. A prefix may have several routes: of other metrics, appended ones, or IPv6 routes on several devices.
 *
 * Events are complete but for one case: IPv4 routes vanish without one when their device goes down or its last address
 * is deleted. `dropDevice` makes up for the first; the second needs a dump.
 */
export class KernelTable {
  readonly #index: PrefixIndex;
  readonly #held: Held[] = [];
  readonly #shapes = new Shapes();
  /** IPv4 rows with a route through a device. */
  readonly #byDevice = new DeviceRows();
  /** How many devices' routes are being dropped. */
  #drops = 0;
  /** Rows that changed since `beginDump`; the dump knows nothing newer about them. */
  #touched: Set<number> | undefined;
  readonly #onChange: TableListener;

  constructor(index: PrefixIndex, onChange: TableListener) {
    this.#index = index;
    this.#onChange = onChange;
  }

  held(row: number): Held {
    return this.#held[row];
  }

  /** All routes of exactly this prefix. */
  at(prefix: Prefix): readonly KernelRoute[] {
    const row = this.#index.find(prefix);
    return row === noRow ? none : this.#routesAt(row);
  }

  /** Every prefix that has a route. */
  *entries(): IterableIterator<[Prefix, readonly KernelRoute[]]> {
    for (const row of this.#index.rows(holder.kernel)) yield [this.#index.prefixOf(row), this.#routesAt(row)];
  }

  /** The routes of the longest prefix that contains the address and has an accepted route, lowest metric first. */
  longestMatch(address: IpAddress, accept: (route: RouteShape) => boolean): readonly KernelRoute[] {
    const row = this.#index.longestMatch(address, (candidate) => shapesIn(this.#held[candidate]).some(accept));
    if (row === noRow) return none;
    return this.#routesAt(row)
      .filter(accept)
      .sort((left, right) => left.metric - right.metric);
  }

  /** Applies an RTM_NEWROUTE. `replaced` says that it took the place of the first route with its key. */
  add(route: KernelRoute, replaced: boolean): void {
    this.write(this.#index.hold(route.destination, holder.kernel), this.#shapes.of(route), replaced, "event");
  }

  /** As `add`, of the route of a row that is held, from an event or from the answer to our own request. */
  write(row: number, shape: RouteShape, replaced: boolean, cause: "event" | "answer"): void {
    const before = this.#held[row];
    this.#touch(row);
    if (before === undefined) {
      this.#store(row, before, shape, cause);
      return;
    }
    if (!isList(before) && sameShapeKey(before, shape) && (replaced || sameShape(before, shape))) {
      if (!sameShape(before, shape)) this.#store(row, before, shape, cause);
      // Written anew perhaps, by a device that has come back while its routes are still being dropped.
      else if (this.#drops > 0) this.#byDevice.set(this.#index.familyOf(row), row, before);
      return;
    }
    this.#writeBeside(row, shape, replaced, cause);
  }

  #writeBeside(row: number, shape: RouteShape, replaced: boolean, cause: "event" | "answer"): void {
    const before = this.#held[row];
    const routes = shapesIn(before);
    const family = this.#index.familyOf(row);
    if (routes.some((held) => sameShape(held, shape))) {
      if (this.#drops > 0) this.#byDevice.set(family, row, before);
      return;
    }
    // An IPv6 route that another leg was appended to is announced as a whole, without the replace flag.
    const grows = (held: RouteShape): boolean =>
      family === 6 && shape.nextHops.length > 1 && held.nextHops.length < shape.nextHops.length;
    const at = routes.findIndex((held) => sameShapeKey(held, shape) && (replaced || grows(held)));
    this.#store(row, before, heldOf(at < 0 ? [...routes, shape] : routes.with(at, shape)), cause);
  }

  /** Applies an RTM_DELROUTE; returns false if what is left of the route can only be told from a dump. */
  remove(route: KernelRoute): boolean {
    const row = this.#index.find(route.destination);
    return row === noRow || this.erase(row, route, "event");
  }

  /** As `remove`, of the route of a row, from an event or from the answer to our own request. */
  erase(row: number, shape: RouteShape, cause: "event" | "answer"): boolean {
    const before = this.#held[row];
    this.#touch(row);
    if (before !== undefined && !isList(before) && sameShape(before, shape)) {
      this.#store(row, before, undefined, cause);
      return true;
    }
    const routes = shapesIn(before);
    const same = (held: RouteShape): boolean => sameShapeKey(held, shape) && held.protocol === shape.protocol;
    let at = routes.findIndex((held) => sameShape(held, shape));
    // Compared as a whole first; then by key, if that names just one.
    if (at < 0 && routes.filter(same).length === 1) at = routes.findIndex(same);
    const held = routes[at];
    if (held === undefined) return true;
    // The kernel reports the loss of one leg of an IPv6 multipath route like the loss of a route.
    const partial = held.nextHops.length !== shape.nextHops.length && this.#index.familyOf(row) === 6;
    this.#store(row, before, heldOf(routes.toSpliced(at, 1)), cause);
    return !partial;
  }

  /**
   * Forgets the IPv4 routes that the kernel dropped without a word because their device is down or gone, but for those
   * that are announced again before their turn has come. Resolves to false if there were multipath routes with a leg
   * there: they stay while another leg is up, and only a dump can tell.
   */
  async dropDevice(interfaceIndex: number): Promise<boolean> {
    const dropped = this.#byDevice.take(interfaceIndex);
    let certain = true;
    this.#drops++;
    await inSlices(dropped, (row) => {
      const before = this.#held[row];
      if (before === undefined || this.#byDevice.has(interfaceIndex, row)) return;
      const routes = shapesIn(before);
      const after = routes.filter((route) => {
        if (!route.nextHops.some((leg) => leg.interfaceIndex === interfaceIndex)) return true;
        if (route.nextHops.length === 1) return false;
        certain = false;
        return true;
      });
      this.#touch(row);
      if (after.length === routes.length) this.#byDevice.set(this.#index.familyOf(row), row, before);
      else this.#store(row, before, heldOf(after), "device");
    });
    this.#drops--;
    return certain;
  }

  /** To be called before a dump is asked for: whatever changes from now on outweighs it. */
  beginDump(): void {
    this.#forgetTouched();
    this.#touched = new Set();
  }

  /** Makes this table equal to a dump, but for what changed since `beginDump`. */
  async endDump(routes: readonly KernelRoute[]): Promise<void> {
    const dumped = new Map<number, Held>();
    await inSlices(routes, (route) => {
      const row = this.#index.hold(route.destination, holder.kernel);
      const others = dumped.get(row);
      const shape = this.#shapes.of(route);
      dumped.set(row, others === undefined ? shape : [...shapesIn(others), shape]);
    });
    await inSlices(dumped, ([row, now]) => {
      if (!this.#touched?.has(row)) this.#adjust(row, now);
      else if (this.#held[row] === undefined) this.#index.release(row, holder.kernel);
    });
    await inSlices(this.#index.rows(holder.kernel), (row) => {
      if (!dumped.has(row) && !this.#touched?.has(row)) this.#adjust(row, undefined);
    });
    this.#forgetTouched();
  }

  /** A row that changed keeps its prefix until the dump has been compared. */
  #touch(row: number): void {
    if (this.#touched === undefined) return;
    this.#touched.add(row);
    this.#index.holdRow(row, holder.dump);
  }

  #forgetTouched(): void {
    for (const row of this.#touched ?? []) this.#index.release(row, holder.dump);
    this.#touched = undefined;
  }

  #adjust(row: number, now: Held): void {
    const before = this.#held[row];
    if (before === now) return;
    const routes = shapesIn(before);
    const dumped = shapesIn(now);
    const unchanged =
      routes.length === dumped.length && dumped.every((shape) => routes.some((held) => sameShape(held, shape)));
    if (!unchanged) this.#store(row, before, now, "dump");
  }

  #store(row: number, before: Held, after: Held, cause: ChangeCause): void {
    putAt(this.#held, row, after, undefined);
    this.#byDevice.set(this.#index.familyOf(row), row, after);
    if (after !== undefined) this.#index.holdRow(row, holder.kernel);
    this.#onChange(row, before, after, cause);
    if (after === undefined) this.#index.release(row, holder.kernel);
  }

  #routesAt(row: number): KernelRoute[] {
    const destination = this.#index.prefixOf(row);
    return shapesIn(this.#held[row]).map((shape) => ({ destination, ...shape }));
  }
}
