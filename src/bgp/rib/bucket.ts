import type { IpAddress } from "../../net/address.ts";
import type { NextHop } from "../packet/message.ts";
import type { AttributeTable } from "./attribute-table.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import { HashIndex } from "./hash-index.ts";
import { hashNextHop, nextHopsEqual } from "./next-hop-table.ts";

/** A peer as the export side sees it. */
export interface Recipient {
  readonly name: string;
  readonly address: IpAddress;
}

/** The bucket of what is not announced. */
export const noBucket = 0;

/**
 * What routes that may share an UPDATE have in common, as numbers above 0: their attributes, next hop, and the name of the peer
 * that they came from if it can be in the group. One number for each content in all groups, counted by those who hold it: Adj-RIBs-Out, and
 * lanes for what their members know.
 *
 * Invariants: a bucket in use holds its attributes, has a count above 0, and stands in the index; two of them differ in something
 * that a peer could notice. Unused numbers are in `#free`.
 */
export class BucketTable {
  readonly #attributes: AttributeTable;
  readonly #index = new HashIndex();
  #sets = new Int32Array(1);
  #counts = new Uint32Array(1);
  readonly #nextHops: (NextHop | undefined)[] = [undefined];
  readonly #sources: (string | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #used = 1;

  constructor(attributes: AttributeTable) {
    this.#attributes = attributes;
  }

  /** The bucket of this content, held once more. */
  take(attributes: number, nextHop: NextHop, source: string | undefined): number {
    const hash = hashBucket(attributes, nextHop);
    for (let place = this.#index.first(hash); ; place = this.#index.next(place)) {
      const known = this.#index.rowAt(place);
      if (known < 0) break;
      if (this.#index.hashAt(place) !== hash || this.#sets[known] !== attributes || this.#sources[known] !== source)
        continue;
      if (!nextHopsEqual(this.nextHopOf(known), nextHop)) continue;
      this.retain(known);
      return known;
    }
    const bucket = this.#free.pop() ?? this.#used++;
    if (bucket >= this.#sets.length) this.#grow(bucket);
    this.#attributes.retain(attributes);
    this.#sets[bucket] = attributes;
    this.#counts[bucket] = 1;
    this.#nextHops[bucket] = nextHop;
    this.#sources[bucket] = source;
    this.#index.add(bucket, hash);
    return bucket;
  }

  /** Without effect on `noBucket`, as `release`. */
  retain(bucket: number): void {
    if (bucket !== noBucket) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  /** Every bucket of a column once more. */
  retainAll(column: Int32Array): void {
    for (let index = 0; index < column.length; index++) this.retain(column[index] ?? noBucket);
  }

  release(bucket: number): void {
    if (bucket !== noBucket) this.#release(bucket, 1);
  }

  /** Every bucket of a part of a column, in which the same one often comes several times in a row. */
  releaseAll(column: Int32Array, start: number, end: number): void {
    for (let index = start; index < end; ) {
      const bucket = column[index] ?? noBucket;
      const first = index;
      do index++;
      while (index < end && column[index] === bucket);
      if (bucket !== noBucket) this.#release(bucket, index - first);
    }
  }

  #release(bucket: number, holds: number): void {
    const count = (this.#counts[bucket] ?? 0) - holds;
    this.#counts[bucket] = count;
    if (count > 0) return;
    this.#index.remove(bucket, hashBucket(this.attributesOf(bucket), this.nextHopOf(bucket)));
    this.#attributes.release(this.attributesOf(bucket));
    this.#nextHops[bucket] = undefined;
    this.#sources[bucket] = undefined;
    this.#free.push(bucket);
  }

  attributesOf(bucket: number): number {
    return this.#sets[bucket] ?? 0;
  }

  nextHopOf(bucket: number): NextHop {
    const nextHop = this.#nextHops[bucket];
    if (nextHop === undefined) throw new RangeError(`there is no bucket ${bucket}`);
    return nextHop;
  }

  /** Name of the peer that the routes came from, if it can be in the group. */
  sourceOf(bucket: number): string | undefined {
    return this.#sources[bucket];
  }

  /** True if routes of both buckets go to the same peers. */
  excludeTheSame(left: number, right: number): boolean {
    return this.#sources[left] === this.#sources[right] && nextHopsEqual(this.nextHopOf(left), this.nextHopOf(right));
  }

  /** A route goes neither to the peer that it came from nor to the peer that is its next hop. */
  isExcluded(bucket: number, { name, address }: Recipient): boolean {
    return this.#sources[bucket] === name || this.nextHopOf(bucket).address.equals(address);
  }

  #grow(bucket: number): void {
    const capacity = grownCapacity(this.#sets.length, bucket);
    this.#sets = copiedInto(new Int32Array(capacity), this.#sets);
    this.#counts = copiedInto(new Uint32Array(capacity), this.#counts);
  }
}

function hashBucket(attributes: number, nextHop: NextHop): number {
  return Math.imul(attributes + 1, 0x9e3779b1) ^ hashNextHop(nextHop);
}
