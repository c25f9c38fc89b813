import { IpAddress, mixBits } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { Family } from "../packet/family.ts";
import type { PlainPrefixes } from "../packet/plain-prefixes.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import { CompactIndex, largestRow } from "./compact-index.ts";

const none = -1;
const free = 255;
/** What the length of an IPv6 prefix is stored with on top: 64 … 192. */
const ipv6Mark = 64;

/**
 * Prefixes of both families as row numbers: the row of a prefix stays the same until it is removed, and is then given to another.
 *
 * Invariants: a row is in use exactly if its length is not `free`; free rows are chained through `#heads`. The head of an IPv4
 * row is its address, that of an IPv6 row the number of its four words in `#words`, whose unused ones are in `#freeWords`. Host
 * bits are zero. Every row in use stands in the index, so no prefix has two.
 */
export class PrefixRows {
  readonly #index = new CompactIndex((row) => this.#hashOf(row));
  #heads = new Uint32Array(0);
  #lengths = new Uint8Array(0);
  #words = new Uint32Array(0);
  readonly #freeWords: number[] = [];
  #wordsUsed = 0;
  #used = 0;
  #firstFree = none;
  /** Of the prefixes that were prepared. */
  #hashes = new Int32Array(0);

  /** Rows in use are below this. */
  get end(): number {
    return this.#used;
  }

  get size(): number {
    return this.#index.size;
  }

  isUsed(row: number): boolean {
    return row < this.#used && this.#lengths[row] !== free;
  }

  /** The row of a prefix, or a negative number. */
  find(prefix: Prefix): number {
    const { address, length, family } = prefix;
    if (family === 4) return this.#findIpv4(address.w0, length, hashIpv4(address.w0, length));
    return this.#findIpv6(prefix, prefix.hash());
  }

  /** The row of a prefix, a new one if it has none. */
  take(prefix: Prefix): number {
    const { address, length, family } = prefix;
    if (family === 4) return this.#takeIpv4(address.w0, length, hashIpv4(address.w0, length));
    const hash = prefix.hash();
    const known = this.#findIpv6(prefix, hash);
    if (known >= 0) return known;
    const number = this.#freeWords.pop() ?? this.#wordsUsed++;
    if (number * 4 >= this.#words.length)
      this.#words = copiedInto(new Uint32Array(4 * grownCapacity(this.#words.length / 4, number)), this.#words);
    this.#words.set([address.w0, address.w1, address.w2, address.w3], number * 4);
    return this.#add(number, ipv6Mark + length, hash);
  }

  /** `findAll` and `takeAll` will be asked for these prefixes, and for no others before them. */
  prepare({ addresses, lengths, count }: PlainPrefixes): void {
    if (count > this.#hashes.length) this.#hashes = new Int32Array(grownCapacity(this.#hashes.length, count));
    const hashes = this.#hashes;
    for (let index = 0; index < count; index++) hashes[index] = hashIpv4(addresses[index] ?? 0, lengths[index] ?? 0);
    this.#index.prepare(hashes, count);
  }

  /** As `find` for the prefixes from `from` to `to` of those that were prepared, into `rows` at the same places. */
  findAll({ addresses, lengths }: PlainPrefixes, from: number, to: number, rows: Int32Array): void {
    const hashes = this.#hashes;
    for (let index = from; index < to; index++)
      rows[index] = this.#findIpv4(addresses[index] ?? 0, lengths[index] ?? 0, hashes[index] ?? 0);
  }

  /** As `findAll`, but `take`. */
  takeAll({ addresses, lengths }: PlainPrefixes, from: number, to: number, rows: Int32Array): void {
    const hashes = this.#hashes;
    for (let index = from; index < to; index++)
      rows[index] = this.#takeIpv4(addresses[index] ?? 0, lengths[index] ?? 0, hashes[index] ?? 0);
  }

  /** The row must be in use. */
  remove(row: number): void {
    this.#index.remove(row, this.#hashOf(row));
    if (this.familyOf(row) === "ipv6-unicast") this.#freeWords.push(this.#heads[row] ?? 0);
    this.#lengths[row] = free;
    this.#heads[row] = this.#firstFree;
    this.#firstFree = row;
  }

  /** Removes all rows, and begins with row 0 again. */
  removeAll(): void {
    this.#index.clear();
    this.#used = 0;
    this.#firstFree = none;
    this.#wordsUsed = 0;
    this.#freeWords.length = 0;
  }

  familyOf(row: number): Family {
    return (this.#lengths[row] ?? 0) < ipv6Mark ? "ipv4-unicast" : "ipv6-unicast";
  }

  prefixOf(row: number): Prefix {
    const head = this.#heads[row] ?? 0;
    const length = this.#lengths[row] ?? 0;
    if (length < ipv6Mark) return Prefix.of(IpAddress.v4(head), length);
    const word = (index: number): number => this.#words[head * 4 + index] ?? 0;
    return Prefix.of(IpAddress.v6(word(0), word(1), word(2), word(3)), length - ipv6Mark);
  }

  /** How many octets an NLRI field needs for the prefix (RFC 4271 §4.3). */
  nlriLength(row: number): number {
    const length = this.#lengths[row] ?? 0;
    return 1 + (((length < ipv6Mark ? length : length - ipv6Mark) + 7) >> 3);
  }

  /** Writes the prefix as an NLRI field has it; where to go on. */
  writeNlri(row: number, into: Uint8Array, start: number): number {
    const stored = this.#lengths[row] ?? 0;
    const length = stored < ipv6Mark ? stored : stored - ipv6Mark;
    const head = this.#heads[row] ?? 0;
    const octets = (length + 7) >> 3;
    let at = start;
    into[at++] = length;
    if (stored < ipv6Mark) {
      if (octets > 0) into[at++] = head >>> 24;
      if (octets > 1) into[at++] = head >>> 16;
      if (octets > 2) into[at++] = head >>> 8;
      if (octets > 3) into[at++] = head;
      return at;
    }
    for (let index = 0; index < octets; index++)
      into[at++] = (this.#words[head * 4 + (index >> 2)] ?? 0) >>> (24 - 8 * (index & 3));
    return at;
  }

  #hashOf(row: number): number {
    const length = this.#lengths[row] ?? 0;
    return length < ipv6Mark ? hashIpv4(this.#heads[row] ?? 0, length) : this.prefixOf(row).hash();
  }

  #takeIpv4(address: number, length: number, hash: number): number {
    const known = this.#findIpv4(address, length, hash);
    return known >= 0 ? known : this.#add(address, length, hash);
  }

  #findIpv4(address: number, length: number, hash: number): number {
    const index = this.#index;
    for (let place = index.first(hash); ; place = index.next(place)) {
      const row = index.rowAt(place, hash);
      if (row >= 0 && this.#isIpv4(row, address, length)) return row;
      if (index.isEnd(row)) break;
    }
    return index.isGrowing ? index.findElsewhere(hash, (row) => this.#isIpv4(row, address, length)) : none;
  }

  #findIpv6(prefix: Prefix, hash: number): number {
    const index = this.#index;
    for (let place = index.first(hash); ; place = index.next(place)) {
      const row = index.rowAt(place, hash);
      if (row >= 0 && this.#isIpv6(row, prefix)) return row;
      if (index.isEnd(row)) break;
    }
    return index.isGrowing ? index.findElsewhere(hash, (row) => this.#isIpv6(row, prefix)) : none;
  }

  #isIpv4(row: number, address: number, length: number): boolean {
    return ((this.#heads[row] ?? 0) ^ address) === 0 && this.#lengths[row] === length;
  }

  #isIpv6(row: number, { address, length }: Prefix): boolean {
    const at = (this.#heads[row] ?? 0) * 4;
    const words = this.#words;
    return (
      this.#lengths[row] === ipv6Mark + length &&
      words[at] === address.w0 &&
      words[at + 1] === address.w1 &&
      words[at + 2] === address.w2 &&
      words[at + 3] === address.w3
    );
  }

  #add(head: number, length: number, hash: number): number {
    const row = this.#firstFree === none ? this.#used++ : this.#firstFree;
    if (row >= this.#lengths.length) {
      if (row > largestRow) throw new RangeError(`more than ${largestRow + 1} prefixes`);
      const capacity = Math.min(grownCapacity(this.#lengths.length, row), largestRow + 1);
      this.#heads = copiedInto(new Uint32Array(capacity), this.#heads);
      this.#lengths = copiedInto(new Uint8Array(capacity), this.#lengths);
    } else if (row === this.#firstFree) this.#firstFree = (this.#heads[row] ?? 0) | 0;
    this.#heads[row] = head;
    this.#lengths[row] = length;
    this.#index.add(row, hash);
    return row;
  }
}

function hashIpv4(address: number, length: number): number {
  return mixBits(address ^ Math.imul(length + 1, 0x9e3779b1));
}
