import { mixBits } from "../../net/address.ts";

const firstPlaces = 32;
/** Bits of a place's second word that say what the prefix is; the row is above. */
const codeBits = 6;
const codeMask = (1 << codeBits) - 1;
/** In place of the length of an IPv4 prefix plus 1. */
const ipv6Code = codeMask;
/** What a place has room for. */
export const largestRow = 2 ** (32 - codeBits) - 1;
/** A row that is none. */
const none = -1;

/**
 * Which row has a prefix: open addressing with linear probing, in which an IPv4 prefix is compared without a look at any other memory. A
 * place has two words: the address, or the hash of an IPv6 prefix, and the row with a code for the length. The table of rows compares IPv6
 * prefixes.
 *
 * Invariants: an empty place has 0 in its second word, which no other has; at most half of the places are taken; between a prefix's home
 * place and where it stands no place is empty (a removal moves later ones of the run up instead of leaving a mark). Places are in the
 * order of hashes but for collisions, so that growing reads and writes from the beginning to the end.
 */
export class PrefixIndex {
  #places = new Int32Array(firstPlaces * 2);
  #shift = 32 - Math.log2(firstPlaces);
  #mask = firstPlaces - 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The row of an IPv4 prefix with its hash, or a negative number; host bits of `address` are zero. */
  findIpv4(address: number, length: number, hash: number): number {
    const places = this.#places;
    const mask = this.#mask;
    const key = address | 0;
    const code = length + 1;
    let place = hash >>> this.#shift;
    for (;;) {
      const tag = places[place * 2 + 1] ?? 0;
      if (tag === 0) return none;
      if (places[place * 2] === key && (tag & codeMask) === code) return tag >>> codeBits;
      place = (place + 1) & mask;
    }
  }

  /** The row of an IPv6 prefix of this hash for which `isIt` holds, or a negative number. */
  findIpv6(hash: number, isIt: (row: number) => boolean): number {
    for (let place = hash >>> this.#shift; ; place = (place + 1) & this.#mask) {
      const tag = this.#places[place * 2 + 1] ?? 0;
      if (tag === 0) return none;
      if (this.#places[place * 2] !== (hash | 0) || (tag & codeMask) !== ipv6Code) continue;
      if (isIt(tag >>> codeBits)) return tag >>> codeBits;
    }
  }

  /** The prefix must not be there, and its row not be above `largestRow`. */
  addIpv4(address: number, length: number, hash: number, row: number): void {
    this.#add(address | 0, (row << codeBits) | (length + 1), hash);
  }

  /** As `addIpv4`. */
  addIpv6(hash: number, row: number): void {
    this.#add(hash | 0, (row << codeBits) | ipv6Code, hash);
  }

  /** The prefix must be there. */
  removeIpv4(address: number, length: number): void {
    this.#remove(hashIpv4(address, length), address | 0, length + 1, none);
  }

  /** As `removeIpv4`. */
  removeIpv6(hash: number, row: number): void {
    this.#remove(hash, hash | 0, ipv6Code, row);
  }

  /** Everything goes, and the memory with it. */
  clear(): void {
    this.#places = new Int32Array(firstPlaces * 2);
    this.#shift = 32 - Math.log2(firstPlaces);
    this.#mask = firstPlaces - 1;
    this.#size = 0;
  }

  /**
   * IPv4 prefixes with the first `count` of these hashes are about to be looked for. The processor gets their places side by side, which
   * takes a fraction of the time of one after the other; and there is room for those that cannot be there yet.
   */
  prepare(hashes: Int32Array, count: number): void {
    const places = this.#places;
    const shift = this.#shift;
    let vacant = 0;
    for (let index = 0; index < count; index++) {
      const tag = places[((hashes[index] ?? 0) >>> shift) * 2 + 1] ?? 0;
      // 1 for 0: a branch would have to be guessed, and the places behind it would wait.
      vacant += ((tag | -tag) >>> 31) ^ 1;
    }
    while ((this.#size + vacant) * 4 > this.#places.length) this.#grow();
  }

  #add(key: number, tag: number, hash: number): void {
    if ((this.#size + 1) * 4 > this.#places.length) this.#grow();
    this.#put(key, tag, hash);
    this.#size++;
  }

  #put(key: number, tag: number, hash: number): void {
    const places = this.#places;
    let place = hash >>> this.#shift;
    while (places[place * 2 + 1] !== 0) place = (place + 1) & this.#mask;
    places[place * 2] = key;
    places[place * 2 + 1] = tag;
  }

  /** `row` is none where key and code say enough. */
  #remove(hash: number, key: number, code: number, row: number): void {
    const places = this.#places;
    const mask = this.#mask;
    let gap = hash >>> this.#shift;
    for (; ; gap = (gap + 1) & mask) {
      const tag = places[gap * 2 + 1] ?? 0;
      if (places[gap * 2] === key && (tag & codeMask) === code && (row === none || tag >>> codeBits === row)) break;
    }
    for (let place = (gap + 1) & mask; places[place * 2 + 1] !== 0; place = (place + 1) & mask) {
      const moved = places[place * 2] ?? 0;
      const tag = places[place * 2 + 1] ?? 0;
      const home = hashOf(moved, tag) >>> this.#shift;
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      places[gap * 2] = moved;
      places[gap * 2 + 1] = tag;
      gap = place;
    }
    places[gap * 2 + 1] = 0;
    this.#size--;
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Int32Array(old.length * 2);
    this.#shift--;
    this.#mask = this.#mask * 2 + 1;
    for (let at = 0; at < old.length; at += 2) {
      const tag = old[at + 1] ?? 0;
      if (tag !== 0) this.#put(old[at] ?? 0, tag, hashOf(old[at] ?? 0, tag));
    }
  }
}

function hashOf(key: number, tag: number): number {
  const code = tag & codeMask;
  return code === ipv6Code ? key : hashIpv4(key, code - 1);
}

/** The same for the same prefix: a signed or unsigned 32-bit number. */
export function hashIpv4(address: number, length: number): number {
  return mixBits(address ^ Math.imul(length + 1, 0x9e3779b1));
}
