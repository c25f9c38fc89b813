import { IpAddress, mixBits } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { Family } from "../packet/family.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import { HashIndex } from "./hash-index.ts";

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
  readonly #index = new HashIndex();
  #heads = new Uint32Array(0);
  #lengths = new Uint8Array(0);
  #words = new Uint32Array(0);
  readonly #freeWords: number[] = [];
  #wordsUsed = 0;
  #used = 0;
  #firstFree = none;
  #size = 0;

  /** Rows in use are below this. */
  get end(): number {
    return this.#used;
  }

  get size(): number {
    return this.#size;
  }

  isUsed(row: number): boolean {
    return row < this.#used && this.#lengths[row] !== free;
  }

  /** The row of a prefix, or a negative number. */
  find(prefix: Prefix): number {
    if (prefix.family === 4) return this.findIpv4(prefix.address.w0, prefix.length);
    return this.#findIpv6(prefix, prefix.hash());
  }

  /** As `find`; host bits of `address` are zero. */
  findIpv4(address: number, length: number): number {
    return this.#findIpv4(address, length, hashIpv4(address, length));
  }

  /** The row of a prefix, a new one if it has none. */
  take(prefix: Prefix): number {
    const { address, length, family } = prefix;
    if (family === 4) return this.takeIpv4(address.w0, length);
    const hash = prefix.hash();
    const known = this.#findIpv6(prefix, hash);
    if (known >= 0) return known;
    const number = this.#freeWords.pop() ?? this.#wordsUsed++;
    if (number * 4 >= this.#words.length)
      this.#words = copiedInto(new Uint32Array(4 * grownCapacity(this.#words.length / 4, number)), this.#words);
    this.#words.set([address.w0, address.w1, address.w2, address.w3], number * 4);
    return this.#add(number, ipv6Mark + length, hash);
  }

  /** As `take`; host bits of `address` are zero. */
  takeIpv4(address: number, length: number): number {
    const hash = hashIpv4(address, length);
    const known = this.#findIpv4(address, length, hash);
    return known >= 0 ? known : this.#add(address, length, hash);
  }

  /** The row must be in use. */
  remove(row: number): void {
    const head = this.#heads[row] ?? 0;
    if (this.familyOf(row) === "ipv4-unicast") this.#index.remove(row, hashIpv4(head, this.#lengths[row] ?? 0));
    else {
      this.#index.remove(row, this.prefixOf(row).hash());
      this.#freeWords.push(head);
    }
    this.#lengths[row] = free;
    this.#heads[row] = this.#firstFree;
    this.#firstFree = row;
    this.#size--;
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

  #findIpv4(address: number, length: number, hash: number): number {
    for (let place = this.#index.first(hash); ; place = this.#index.next(place)) {
      const row = this.#index.rowAt(place);
      if (row < 0) return row;
      if (this.#index.hashAt(place) === (hash | 0) && this.#heads[row] === address && this.#lengths[row] === length)
        return row;
    }
  }

  #findIpv6({ address, length }: Prefix, hash: number): number {
    for (let place = this.#index.first(hash); ; place = this.#index.next(place)) {
      const row = this.#index.rowAt(place);
      if (row < 0) return row;
      if (this.#index.hashAt(place) !== (hash | 0) || this.#lengths[row] !== ipv6Mark + length) continue;
      const at = (this.#heads[row] ?? 0) * 4;
      const words = this.#words;
      if (
        words[at] === address.w0 &&
        words[at + 1] === address.w1 &&
        words[at + 2] === address.w2 &&
        words[at + 3] === address.w3
      )
        return row;
    }
  }

  #add(head: number, length: number, hash: number): number {
    const row = this.#firstFree === none ? this.#used++ : this.#firstFree;
    if (row >= this.#lengths.length) {
      const capacity = grownCapacity(this.#lengths.length, row);
      this.#heads = copiedInto(new Uint32Array(capacity), this.#heads);
      this.#lengths = copiedInto(new Uint8Array(capacity), this.#lengths);
    } else if (row === this.#firstFree) this.#firstFree = (this.#heads[row] ?? 0) | 0;
    this.#heads[row] = head;
    this.#lengths[row] = length;
    this.#index.add(row, hash);
    this.#size++;
    return row;
  }
}

function hashIpv4(address: number, length: number): number {
  return mixBits(address ^ Math.imul(length + 1, 0x9e3779b1));
}
