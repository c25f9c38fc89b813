import type { AddressFamily, IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { PrefixMap, PrefixSet } from "../net/prefix-map.ts";
import type { KernelRoute } from "../netlink/types.ts";
import { sameKey, sameRoute } from "./diff.ts";
import { inSlices } from "./slices.ts";

const none: readonly KernelRoute[] = [];

/**
 * How a change became known: from an event, by comparing with a dump, because a device is down or gone, or from the kernel's
 * answer to our own write.
 */
export type ChangeCause = "event" | "dump" | "device" | "answer";

/** Hears of every change of what a prefix holds, after it. */
export type TableListener = (
  prefix: Prefix,
  before: readonly KernelRoute[],
  after: readonly KernelRoute[],
  cause: ChangeCause,
) => void;

/**
 * What the kernel's main table holds, ours and everybody else's, kept current from dumps, events and the results of our
 * own writes. A prefix may have several routes: of other metrics, appended ones, or IPv6 routes on several devices.
 *
 * Events are complete but for one case: IPv4 routes vanish without one when their device goes down or its last address
 * is deleted. `dropDevice` makes up for the first; the second needs a dump.
 */
export class KernelTable {
  readonly #routes = new PrefixMap<readonly KernelRoute[]>();
  /** IPv4 prefixes with a route through a device. */
  readonly #byDevice = new Map<number, PrefixSet>();
  /** How many prefixes there are of each length: longest match probes only these. */
  readonly #lengths: Readonly<Record<AddressFamily, number[]>> = {
    4: new Array<number>(33).fill(0),
    6: new Array<number>(129).fill(0),
  };
  /** How many devices' routes are being dropped. */
  #drops = 0;
  /** Prefixes that changed since `beginDump`; the dump knows nothing newer about them. */
  #touched: PrefixSet | undefined;
  readonly #onChange: TableListener;

  constructor(onChange: TableListener) {
    this.#onChange = onChange;
  }

  /** All routes of exactly this prefix. */
  at(prefix: Prefix): readonly KernelRoute[] {
    return this.#routes.get(prefix) ?? none;
  }

  /** Every prefix that has a route. */
  entries(): IterableIterator<[Prefix, readonly KernelRoute[]]> {
    return this.#routes.entries();
  }

  /** The routes of the longest prefix that contains the address and has an accepted route, lowest metric first. */
  longestMatch(address: IpAddress, accept: (route: KernelRoute) => boolean): readonly KernelRoute[] {
    const lengths = this.#lengths[address.family];
    for (let length = lengths.length - 1; length >= 0; length--) {
      if (lengths[length] === 0) continue;
      const accepted = this.at(Prefix.of(address, length)).filter(accept);
      if (accepted.length > 0) return accepted.sort((left, right) => left.metric - right.metric);
    }
    return none;
  }

  /** Applies an RTM_NEWROUTE. `replaced` says that it took the place of the first route with its key. */
  add(route: KernelRoute, replaced: boolean, cause: "event" | "answer" = "event"): void {
    const before = this.at(route.destination);
    this.#touched?.add(route.destination);
    if (before.some((held) => sameRoute(held, route))) {
      // Written anew perhaps, by a device that has come back while its routes are still being dropped.
      if (this.#drops > 0) this.#register(before);
      return;
    }
    // An IPv6 route that another leg was appended to is announced as a whole, without the replace flag.
    const grows = (held: KernelRoute): boolean =>
      route.destination.family === 6 && route.nextHops.length > 1 && held.nextHops.length < route.nextHops.length;
    const at = before.findIndex((held) => sameKey(held, route) && (replaced || grows(held)));
    this.#store(route.destination, before, at < 0 ? [...before, route] : before.with(at, route), cause);
  }

  /** Applies an RTM_DELROUTE; returns false if what is left of the route can only be told from a dump. */
  remove(route: KernelRoute): boolean {
    const before = this.at(route.destination);
    this.#touched?.add(route.destination);
    const same = (held: KernelRoute): boolean => sameKey(held, route) && held.protocol === route.protocol;
    let at = before.findIndex((held) => sameRoute(held, route));
    // Compared as a whole first; then by key, if that names just one.
    if (at < 0 && before.filter(same).length === 1) at = before.findIndex(same);
    const held = before[at];
    if (held === undefined) return true;
    // The kernel reports the loss of one leg of an IPv6 multipath route like the loss of a route.
    const partial = held.nextHops.length !== route.nextHops.length && route.destination.family === 6;
    this.#store(route.destination, before, before.toSpliced(at, 1), "event");
    return !partial;
  }

  /**
   * Forgets the IPv4 routes that the kernel dropped without a word because their device is down or gone, but for those
   * that are announced again before their turn has come. Resolves to false if there were multipath routes with a leg
   * there: they stay while another leg is up, and only a dump can tell.
   */
  async dropDevice(interfaceIndex: number): Promise<boolean> {
    const dropped = this.#byDevice.get(interfaceIndex) ?? [];
    this.#byDevice.delete(interfaceIndex);
    let certain = true;
    this.#drops++;
    await inSlices(dropped, (prefix) => {
      if (this.#byDevice.get(interfaceIndex)?.has(prefix)) return;
      const before = this.at(prefix);
      const after = before.filter((route) => {
        if (!route.nextHops.some((leg) => leg.interfaceIndex === interfaceIndex)) return true;
        if (route.nextHops.length === 1) return false;
        certain = false;
        return true;
      });
      this.#touched?.add(prefix);
      if (after.length === before.length) this.#register(before);
      else this.#store(prefix, before, after, "device");
    });
    this.#drops--;
    return certain;
  }

  /** To be called before a dump is asked for: whatever changes from now on outweighs it. */
  beginDump(): void {
    this.#touched = new PrefixSet();
  }

  /** Makes this table equal to a dump, but for what changed since `beginDump`. */
  async endDump(routes: readonly KernelRoute[]): Promise<void> {
    const dumped = new PrefixMap<KernelRoute[]>();
    await inSlices(routes, (route) => {
      const others = dumped.get(route.destination);
      if (others === undefined) dumped.set(route.destination, [route]);
      else others.push(route);
    });
    await inSlices(dumped, ([prefix, now]) => {
      if (!this.#touched?.has(prefix)) this.#adjust(prefix, now);
    });
    await inSlices(this.#routes.keys(), (prefix) => {
      if (!dumped.has(prefix) && !this.#touched?.has(prefix)) this.#adjust(prefix, none);
    });
    this.#touched = undefined;
  }

  #adjust(prefix: Prefix, now: readonly KernelRoute[]): void {
    const before = this.at(prefix);
    const unchanged =
      before.length === now.length && now.every((route) => before.some((held) => sameRoute(held, route)));
    if (!unchanged) this.#store(prefix, before, now, "dump");
  }

  #store(prefix: Prefix, before: readonly KernelRoute[], after: readonly KernelRoute[], cause: ChangeCause): void {
    const lengths = this.#lengths[prefix.family];
    const step = Number(after.length > 0) - Number(before.length > 0);
    if (step !== 0) lengths[prefix.length] = (lengths[prefix.length] ?? 0) + step;
    if (after.length === 0) this.#routes.delete(prefix);
    else this.#routes.set(prefix, after);
    const [old] = before;
    const [next] = after;
    if (this.#drops === 0 && before.length === 1 && after.length === 1 && sameOnlyDevice(old, next)) {
      this.#onChange(prefix, before, after, cause);
      return;
    }
    for (const route of before)
      forEachDevice(route, (device) => {
        const prefixes = this.#byDevice.get(device);
        prefixes?.delete(prefix);
        if (prefixes?.size === 0) this.#byDevice.delete(device);
      });
    this.#register(after);
    this.#onChange(prefix, before, after, cause);
  }

  #register(routes: readonly KernelRoute[]): void {
    for (const route of routes)
      forEachDevice(route, (device) => {
        let prefixes = this.#byDevice.get(device);
        if (prefixes === undefined) {
          prefixes = new PrefixSet();
          this.#byDevice.set(device, prefixes);
        }
        prefixes.add(route.destination);
      });
  }
}

/** Devices of an IPv4 route; IPv6 routes never go without an event. */
function forEachDevice({ destination, nextHops }: KernelRoute, visit: (device: number) => void): void {
  if (destination.family !== 4) return;
  for (const { interfaceIndex } of nextHops) if (interfaceIndex !== undefined) visit(interfaceIndex);
}

/** A change of the gateway only, as most are. */
function sameOnlyDevice(left: KernelRoute | undefined, right: KernelRoute | undefined): boolean {
  if (left?.nextHops.length !== 1 || right?.nextHops.length !== 1) return false;
  return left.nextHops[0]?.interfaceIndex === right.nextHops[0]?.interfaceIndex;
}
