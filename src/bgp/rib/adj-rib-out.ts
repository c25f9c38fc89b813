import type { IpAddress } from "../../net/address.ts";
import type { NextHop } from "../packet/message.ts";
import { type BucketTable, noBucket, type Recipient } from "./bucket.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import { isPathSlot, type Slot } from "./path-slots.ts";

/**
 * What the peers of one group are to have in the end: the bucket of every place.
 *
 * Invariants: `#ofPrefix` is by the row of the prefix, `#ofPath` by the complement of a path's slot; both have `noBucket` where
 * nothing is announced, which is everywhere from `#prefixEnd` and `#pathEnd` on. `#size` is how many places have another one; each of these is held once.
 */
export class AdjRibOut {
  readonly #buckets: BucketTable;
  #ofPrefix = new Int32Array(0);
  #ofPath = new Int32Array(0);
  #prefixEnd = 0;
  #pathEnd = 0;
  #size = 0;
  /** Routes by whom they must not be told, until something changes. */
  #excluded: ReadonlyMap<string, number> | undefined;

  constructor(buckets: BucketTable) {
    this.#buckets = buckets;
  }

  get size(): number {
    return this.#size;
  }

  get(slot: Slot): number {
    return (isPathSlot(slot) ? this.#ofPath[~slot] : this.#ofPrefix[slot]) ?? noBucket;
  }

  /** Rows of prefixes that are announced are below this. */
  get prefixEnd(): number {
    return this.#prefixEnd;
  }

  /** Complements of slots of paths that are announced are below this. */
  get pathEnd(): number {
    return this.#pathEnd;
  }

  /** The buckets by the row of the prefix, at least `length` of them. */
  copyOfPrefixes(length: number): Int32Array {
    return copiedInto(new Int32Array(Math.max(length, this.#prefixEnd)), this.#ofPrefix.subarray(0, this.#prefixEnd));
  }

  /** The buckets by the complement of a path's slot, at least `length` of them. */
  copyOfPaths(length: number): Int32Array {
    return copiedInto(new Int32Array(Math.max(length, this.#pathEnd)), this.#ofPath.subarray(0, this.#pathEnd));
  }

  /** Takes over the hold of `bucket`; the caller gets that of the one before, which is returned. */
  replace(slot: Slot, bucket: number): number {
    const old = this.get(slot);
    if (old === bucket) return old;
    if (isPathSlot(slot)) this.#setPath(~slot, bucket);
    else {
      if (slot >= this.#prefixEnd) this.#extendTo(slot + 1);
      this.#ofPrefix[slot] = bucket;
    }
    if (old === noBucket) this.#size++;
    else if (bucket === noBucket) this.#size--;
    this.#excluded = undefined;
    return old;
  }

  #extendTo(end: number): void {
    this.#prefixEnd = end;
    const { length } = this.#ofPrefix;
    if (end > length) this.#ofPrefix = copiedInto(new Int32Array(grownCapacity(length, end - 1)), this.#ofPrefix);
  }

  #setPath(at: number, bucket: number): void {
    const { length } = this.#ofPath;
    if (at >= length) this.#ofPath = copiedInto(new Int32Array(grownCapacity(length, at)), this.#ofPath);
    this.#pathEnd = Math.max(this.#pathEnd, at + 1);
    this.#ofPath[at] = bucket;
  }

  /** Places with a bucket. Those that change meanwhile may be met or not. */
  *slots(): IterableIterator<Slot> {
    for (let row = 0; row < this.#prefixEnd; row++) if (this.#ofPrefix[row] !== noBucket) yield row;
    for (let at = 0; at < this.#pathEnd; at++) if (this.#ofPath[at] !== noBucket) yield ~at;
  }

  /** How many routes the recipient is to have. */
  countFor({ name, address }: Recipient): number {
    this.#excluded ??= this.#countExcluded();
    const routes = (key: string): number => this.#excluded?.get(key) ?? 0;
    // Those that are left out for both reasons have been counted twice.
    return this.#size - routes(nameKey(name)) - routes(addressKey(address)) + routes(bothKey(name, address));
  }

  /** Everything is released. */
  clear(): void {
    this.#buckets.releaseAll(this.#ofPrefix, 0, this.#prefixEnd);
    this.#buckets.releaseAll(this.#ofPath, 0, this.#pathEnd);
    this.#ofPrefix = new Int32Array(0);
    this.#ofPath = new Int32Array(0);
    this.#prefixEnd = 0;
    this.#pathEnd = 0;
    this.#size = 0;
    this.#excluded = undefined;
  }

  #countExcluded(): ReadonlyMap<string, number> {
    const routes = new Uint32Array(this.#buckets.end);
    for (const [column, end] of [[this.#ofPrefix, this.#prefixEnd] as const, [this.#ofPath, this.#pathEnd] as const])
      for (let at = 0; at < end; at++) {
        const bucket = column[at] ?? noBucket;
        routes[bucket] = (routes[bucket] ?? 0) + 1;
      }
    const counts = new Map<string, number>();
    let nextHop: NextHop | undefined;
    let source: string | undefined;
    let keys: string[] = [];
    for (let bucket = 1; bucket < routes.length; bucket++) {
      const own = routes[bucket] ?? 0;
      if (own === 0) continue;
      // Most buckets in a row are of one peer.
      if (nextHop !== this.#buckets.nextHopOf(bucket) || source !== this.#buckets.sourceOf(bucket)) {
        nextHop = this.#buckets.nextHopOf(bucket);
        source = this.#buckets.sourceOf(bucket);
        const { address } = nextHop;
        keys = [addressKey(address), ...(source === undefined ? [] : [nameKey(source), bothKey(source, address)])];
      }
      for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + own);
    }
    return counts;
  }
}

const nameKey = (name: string): string => `name ${name}`;
const addressKey = (address: IpAddress): string => `address ${address}`;
const bothKey = (name: string, address: IpAddress): string => `both ${address} ${name}`;
