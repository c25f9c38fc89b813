import { type IpAddress, mixBits } from "../../net/address.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { NextHop } from "../packet/message.ts";
import { decodeSharedAttributes } from "../packet/shared-attributes.ts";
import type { AttributeTable } from "./attribute-table.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import { type ExportForm, largestGrowth, plainForm, writeExported } from "./export-form.ts";
import { hashNextHop, nextHopsEqual } from "./next-hop-table.ts";

/** A peer as the export side sees it. */
export interface Recipient {
  readonly name: string;
  readonly address: IpAddress;
}

/** The bucket of what is not announced. */
export const noBucket = 0;

const firstHeads = 64;

/** What is announced of attributes: themselves (`form` 0), or what a form makes of them. */
export interface BucketContent {
  readonly attributes: number;
  /** As `formNumber` has it. */
  readonly form: number;
  /** The ORIGINATOR_ID where the form wants one and the attributes have none; else 0. */
  readonly originator: number;
}

/**
 * What routes that may share an UPDATE have in common, as numbers above 0: their attributes and what becomes of them, next hop, and the
 * name of the peer that they came from if it can be in the group. One number for each content in all groups, counted by those who hold it:
 * Adj-RIBs-Out, and lanes for what their members know.
 *
 * Invariants: a bucket in use holds its attributes, has a count above 0, and stands in the list of its hash, which begins in `#heads` and
 * goes on in `#nexts`; two of them differ in their content, but peers need not notice it (`looksTheSame`). Unused numbers are in `#free`.
 * Forms stay for good: there are a few for each AS number and cluster of ours.
 *
 * The hash is chosen so that sets with numbers in a row, which are what a peer says in a row, stand side by side.
 */
export class BucketTable {
  readonly #attributes: AttributeTable;
  /** At least as many as there are buckets, a power of two. */
  #heads = new Int32Array(firstHeads);
  #nexts = new Int32Array(1);
  #hashes = new Int32Array(1);
  readonly #forms: ExportForm[] = [plainForm];
  #sets = new Int32Array(1);
  #formOf = new Uint16Array(1);
  #originators = new Uint32Array(1);
  #counts = new Uint32Array(1);
  readonly #nextHops: (NextHop | undefined)[] = [undefined];
  readonly #sources: (string | undefined)[] = [undefined];
  readonly #free: number[] = [];
  #used = 1;
  #lastSource: string | undefined;
  #lastSourceHash = 0;

  constructor(attributes: AttributeTable) {
    this.#attributes = attributes;
  }

  /** Numbers in use are below this. */
  get end(): number {
    return this.#used;
  }

  /** The number of a form, the same for forms that do the same. */
  formNumber(form: ExportForm): number {
    const text = JSON.stringify(form);
    const known = this.#forms.findIndex((other) => JSON.stringify(other) === text);
    return known >= 0 ? known : this.#forms.push(form) - 1;
  }

  /** The bucket of this content, held once more. */
  take({ attributes, form, originator }: BucketContent, nextHop: NextHop, source: string | undefined): number {
    const hash = this.#hash(attributes, form, originator, nextHop, source);
    for (let known = this.#heads[this.#homeOf(hash)] ?? 0; known !== noBucket; known = this.#nexts[known] ?? 0) {
      if (this.#sets[known] !== attributes || this.#sources[known] !== source) continue;
      if (this.#formOf[known] !== form || this.#originators[known] !== originator) continue;
      if (!nextHopsEqual(this.nextHopOf(known), nextHop)) continue;
      this.retain(known);
      return known;
    }
    const bucket = this.#free.pop() ?? this.#used++;
    if (bucket >= this.#sets.length) this.#grow(bucket);
    this.#attributes.retain(attributes);
    this.#sets[bucket] = attributes;
    this.#formOf[bucket] = form;
    this.#originators[bucket] = originator;
    this.#counts[bucket] = 1;
    this.#nextHops[bucket] = nextHop;
    this.#sources[bucket] = source;
    this.#hashes[bucket] = hash;
    if (bucket >= this.#heads.length) this.#spread();
    this.#link(bucket);
    return bucket;
  }

  /** Without effect on `noBucket`, as `release`. */
  retain(bucket: number): void {
    if (bucket !== noBucket) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
  }

  /** Every bucket of a column once more. */
  retainAll(column: Int32Array): void {
    const counts = this.#counts;
    for (let index = 0; index < column.length; index++) {
      const bucket = column[index] ?? noBucket;
      if (bucket !== noBucket) counts[bucket] = (counts[bucket] ?? 0) + 1;
    }
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
    this.#unlink(bucket);
    this.#attributes.release(this.#sets[bucket] ?? 0);
    this.#nextHops[bucket] = undefined;
    this.#sources[bucket] = undefined;
    this.#free.push(bucket);
  }

  /** Octets of the attributes before the form has made something of them; 0 if they are only an object. */
  lengthOf(bucket: number): number {
    return this.#attributes.lengthOf(this.#sets[bucket] ?? 0);
  }

  /**
   * Writes the attributes as peers are told them, with a NEXT_HOP if one is given. Where to go on: at most `largestGrowth` octets
   * more than `lengthOf`, which must not be 0.
   */
  writeAttributes(bucket: number, nextHop: number | undefined, into: Uint8Array, at: number): number {
    const form = this.#forms[this.#formOf[bucket] ?? 0] ?? plainForm;
    return writeExported(
      this.#attributes,
      this.#sets[bucket] ?? 0,
      form,
      this.#originators[bucket] ?? 0,
      nextHop,
      into,
      at,
    );
  }

  /** The attributes as peers are told them. */
  attributesOf(bucket: number): PathAttributes {
    if (this.#formOf[bucket] === 0) return this.#attributes.get(this.#sets[bucket] ?? 0);
    return decodeSharedAttributes(this.#written(bucket));
  }

  /** True if peers cannot tell routes of the one from routes of the other: same attributes, next hop and source. */
  looksTheSame(left: number, right: number): boolean {
    if (left === right) return true;
    if (!this.excludeTheSame(left, right)) return false;
    const form = this.#formOf[left] ?? 0;
    const isTold = this.#forms[form]?.dropsMed === undefined && this.#formOf[right] === form;
    // What one form makes of two sets differs if it leaves nothing out.
    if (isTold || this.lengthOf(left) === 0 || this.lengthOf(right) === 0) return false;
    const octets = this.#written(left);
    const others = this.#written(right);
    return octets.length === others.length && octets.every((octet, index) => octet === others[index]);
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

  #written(bucket: number): Uint8Array {
    const octets = new Uint8Array(this.lengthOf(bucket) + largestGrowth);
    return octets.subarray(0, this.writeAttributes(bucket, undefined, octets, 0));
  }

  #hash(attributes: number, form: number, originator: number, nextHop: NextHop, source: string | undefined): number {
    if (source !== this.#lastSource) {
      this.#lastSource = source;
      this.#lastSourceHash = source === undefined ? 0 : hashText(source);
    }
    const others = hashNextHop(nextHop) ^ this.#lastSourceHash ^ Math.imul(originator + form, 0x9e3779b1);
    return (attributes + mixBits(others)) | 0;
  }

  #homeOf(hash: number): number {
    return hash & (this.#heads.length - 1);
  }

  #link(bucket: number): void {
    const home = this.#homeOf(this.#hashes[bucket] ?? 0);
    this.#nexts[bucket] = this.#heads[home] ?? noBucket;
    this.#heads[home] = bucket;
  }

  #unlink(bucket: number): void {
    const home = this.#homeOf(this.#hashes[bucket] ?? 0);
    const next = this.#nexts[bucket] ?? noBucket;
    let before = this.#heads[home] ?? noBucket;
    if (before === bucket) {
      this.#heads[home] = next;
      return;
    }
    while (this.#nexts[before] !== bucket) before = this.#nexts[before] ?? noBucket;
    this.#nexts[before] = next;
  }

  /** More lists, so that each stays short. All numbers but the highest are in use then. */
  #spread(): void {
    this.#heads = new Int32Array(this.#heads.length * 4);
    for (let bucket = 1; bucket < this.#used - 1; bucket++) this.#link(bucket);
  }

  #grow(bucket: number): void {
    const capacity = grownCapacity(this.#sets.length, bucket);
    this.#sets = copiedInto(new Int32Array(capacity), this.#sets);
    this.#formOf = copiedInto(new Uint16Array(capacity), this.#formOf);
    this.#originators = copiedInto(new Uint32Array(capacity), this.#originators);
    this.#counts = copiedInto(new Uint32Array(capacity), this.#counts);
    this.#nexts = copiedInto(new Int32Array(capacity), this.#nexts);
    this.#hashes = copiedInto(new Int32Array(capacity), this.#hashes);
  }
}

function hashText(text: string): number {
  let hash = 0;
  for (let index = 0; index < text.length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), 0x9e3779b1);
  return hash;
}
