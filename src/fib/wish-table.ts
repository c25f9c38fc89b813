import type { AddressFamily } from "../net/address.ts";
import { putAt } from "../net/prefix-index.ts";
import { RowLists } from "../net/row-lists.ts";
import type { RouteShape } from "../netlink/types.ts";
import { shapeOf } from "./diff.ts";
import type { NextHops, Resolution } from "./next-hops.ts";
import type { RouteWish } from "./types.ts";

/** A wish that some rows share, and what it comes down to at present. */
export class SharedWish {
  readonly wish: RouteWish;
  /** The rows that share it. */
  readonly list: number;
  readonly #protocol: number;
  #resolution: Resolution = { ok: true, legs: [] };
  #note = "";
  #ipv4: RouteShape | undefined;
  #ipv6: RouteShape | undefined;

  constructor(wish: RouteWish, list: number, protocol: number) {
    this.wish = wish;
    this.list = list;
    this.#protocol = protocol;
  }

  /** How its next hops are reached. */
  get resolution(): Resolution {
    return this.#resolution;
  }

  /** Added to the reason of the state of a route that is written. */
  get note(): string {
    return this.#note;
  }

  /** The route that it is in the kernel; undefined if there is to be none, or no way. */
  shapeFor(family: AddressFamily): RouteShape | undefined {
    const known = family === 4 ? this.#ipv4 : this.#ipv6;
    if (known !== undefined) return known;
    if (this.wish.forwarding.mode === "none" || !this.#resolution.ok) return undefined;
    const shape = shapeOf(this.wish, family, this.#resolution.legs, this.#protocol);
    if (family === 4) this.#ipv4 = shape;
    else this.#ipv6 = shape;
    return shape;
  }

  /** Its next hops are reached otherwise from now on. */
  resolve(resolution: Resolution): void {
    this.#resolution = resolution;
    this.#ipv4 = undefined;
    this.#ipv6 = undefined;
    const missing = resolution.ok ? resolution.missing : undefined;
    this.#note = missing === undefined ? "" : ` without one next hop: ${missing}`;
  }
}

/** Which wish each row has. Next hops are resolved once for each wish, not for each route. */
export class WishTable {
  readonly #nextHops: NextHops<SharedWish>;
  readonly #protocol: number;
  readonly #known = new Map<RouteWish, SharedWish>();
  readonly #wishes: (SharedWish | undefined)[] = [];
  readonly #lists = new RowLists();
  /** The last one that was asked for: alike routes come one after the other. */
  #latest: SharedWish | undefined;

  /** `protocol` is that of our routes. */
  constructor(nextHops: NextHops<SharedWish>, protocol: number) {
    this.#nextHops = nextHops;
    this.#protocol = protocol;
  }

  /** Undefined for a row of which nothing is wished. */
  of(row: number): SharedWish | undefined {
    return this.#wishes[row];
  }

  set(row: number, wish: RouteWish): void {
    const before = this.#wishes[row];
    if (before?.wish === wish) return;
    if (this.#latest?.wish !== wish) this.#latest = this.#known.get(wish) ?? this.#share(wish);
    putAt(this.#wishes, row, this.#latest, undefined);
    this.#lists.add(this.#latest.list, row);
    if (before !== undefined) this.#forgetUnused(before);
  }

  delete(row: number): void {
    const before = this.#wishes[row];
    if (before === undefined) return;
    this.#wishes[row] = undefined;
    this.#lists.remove(row);
    this.#forgetUnused(before);
  }

  /** The next hops of these resolve differently now: returns their rows. */
  refresh(changed: Iterable<SharedWish>): number[] {
    const rows: number[] = [];
    for (const shared of changed) {
      shared.resolve(this.#nextHops.resolve(shared.wish.forwarding));
      for (const row of this.#lists.rows(shared.list)) rows.push(row);
    }
    return rows;
  }

  #share(wish: RouteWish): SharedWish {
    const shared = new SharedWish(wish, this.#lists.open(), this.#protocol);
    this.#known.set(wish, shared);
    this.#nextHops.attach(shared, wish.forwarding);
    shared.resolve(this.#nextHops.resolve(wish.forwarding));
    return shared;
  }

  #forgetUnused(shared: SharedWish): void {
    if (this.#lists.count(shared.list) > 0) return;
    this.#nextHops.detach(shared, shared.wish.forwarding);
    this.#lists.close(shared.list);
    this.#known.delete(shared.wish);
    if (this.#latest === shared) this.#latest = undefined;
  }
}
