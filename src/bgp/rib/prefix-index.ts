import { mixBits } from "../../net/address.ts";

const firstPlaces = 32;
/** Bits of a place's second word that say what the prefix is; the row is above. */
const codeBits = 6;
const codeMask = (1 << codeBits) - 1;
/** In place of the length of an IPv4 prefix plus 1. */
const ipv6Code = codeMask;
/** What a place has room for. */
export const largestRow = 2 ** (32 - codeBits) - 1;
/** No row and no place. */
const none = -1;
/** Stands in `#old` for what has been removed; no prefix has this code. */
const gone = codeMask - 1;
/** How many places of `#old` are moved for each prefix that comes; two would be enough for it to be done before the next time. */
const movesPerPrefix = 16;

/**
 * Which row has a prefix: open addressing with linear probing, in which an IPv4 prefix is compared without a look at any other memory. A
 * place has two words: the address, or the hash of an IPv6 prefix, and the row with a code for the length. The table of rows compares IPv6
 * prefixes.
 *
 * Invariants: an empty place has 0 in its second word, which no other has; at most half of the places are taken; between a prefix's home
 * place and where it stands no place is empty (a removal moves later ones of the run up instead of leaving a mark). Places are in the
 * order of hashes but for collisions, so that growing reads and writes from the beginning to the end.
 *
 * It grows in steps, so that a million prefixes do not wait for it: while `#old` has places, those of them from `#moved` on have not been
 * moved to `#places` yet; those before it have, and stand in both. What is removed from `#old` leaves the mark `gone`.
 */
export class PrefixIndex {
  #places = new Int32Array(firstPlaces * 2);
  #shift = 32 - Math.log2(firstPlaces);
  #mask = firstPlaces - 1;
  #size = 0;
  #old = new Int32Array(0);
  #moved = 0;

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
      if (tag === 0) break;
      if (places[place * 2] === key && (tag & codeMask) === code) return tag >>> codeBits;
      place = (place + 1) & mask;
    }
    return this.#old.length === 0 ? none : this.#rowAtOld(this.#findOld(hash, key, code, any));
  }

  /** The row of an IPv6 prefix of this hash for which `isIt` holds, or a negative number. */
  findIpv6(hash: number, isIt: (row: number) => boolean): number {
    for (let place = hash >>> this.#shift; ; place = (place + 1) & this.#mask) {
      const tag = this.#places[place * 2 + 1] ?? 0;
      if (tag === 0) break;
      if (this.#places[place * 2] !== (hash | 0) || (tag & codeMask) !== ipv6Code) continue;
      if (isIt(tag >>> codeBits)) return tag >>> codeBits;
    }
    return this.#old.length === 0 ? none : this.#rowAtOld(this.#findOld(hash, hash | 0, ipv6Code, isIt));
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
    this.#remove(hashIpv4(address, length), address | 0, length + 1, any);
  }

  /** As `removeIpv4`. */
  removeIpv6(hash: number, row: number): void {
    this.#remove(hash, hash | 0, ipv6Code, (other) => other === row);
  }

  /** Everything goes, and the memory with it. */
  clear(): void {
    this.#places = new Int32Array(firstPlaces * 2);
    this.#shift = 32 - Math.log2(firstPlaces);
    this.#mask = firstPlaces - 1;
    this.#size = 0;
    this.#old = new Int32Array(0);
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
    if (this.#old.length > 0) this.#move(vacant * movesPerPrefix);
  }

  #add(key: number, tag: number, hash: number): void {
    if ((this.#size + 1) * 4 > this.#places.length) this.#grow();
    if (this.#old.length > 0) this.#move(movesPerPrefix);
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

  #remove(hash: number, key: number, code: number, isIt: (row: number) => boolean): void {
    this.#size--;
    if (this.#old.length > 0) {
      const at = this.#findOld(hash, key, code, isIt);
      if (at !== none) this.#old[at * 2 + 1] = gone;
      if (at >= this.#moved) return;
    }
    const places = this.#places;
    const mask = this.#mask;
    let gap = hash >>> this.#shift;
    for (; ; gap = (gap + 1) & mask) {
      const tag = places[gap * 2 + 1] ?? 0;
      if (places[gap * 2] === key && (tag & codeMask) === code && isIt(tag >>> codeBits)) break;
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
  }

  /** The place in `#old`, or none. */
  #findOld(hash: number, key: number, code: number, isIt: (row: number) => boolean): number {
    const old = this.#old;
    const mask = old.length / 2 - 1;
    for (let place = hash >>> (this.#shift + 1); ; place = (place + 1) & mask) {
      const tag = old[place * 2 + 1] ?? 0;
      if (tag === 0) return none;
      if (old[place * 2] === key && (tag & codeMask) === code && isIt(tag >>> codeBits)) return place;
    }
  }

  #rowAtOld(place: number): number {
    return place === none ? none : (this.#old[place * 2 + 1] ?? 0) >>> codeBits;
  }

  #grow(): void {
    if (this.#old.length > 0) this.#move(this.#old.length);
    this.#old = this.#places;
    this.#moved = 0;
    this.#places = new Int32Array(this.#old.length * 2);
    this.#shift--;
    this.#mask = this.#mask * 2 + 1;
  }

  /** Moves what stands in the next places of `#old`, so many of them. */
  #move(count: number): void {
    const old = this.#old;
    const end = Math.min(this.#moved + count, old.length / 2);
    for (let place = this.#moved; place < end; place++) {
      const key = old[place * 2] ?? 0;
      const tag = old[place * 2 + 1] ?? 0;
      if (tag !== 0 && tag !== gone) this.#put(key, tag, hashOf(key, tag));
    }
    this.#moved = end;
    if (end * 2 === old.length) this.#old = new Int32Array(0);
  }
}

/** Key and code say enough. */
const any = (): boolean => true;

function hashOf(key: number, tag: number): number {
  const code = tag & codeMask;
  return code === ipv6Code ? key : hashIpv4(key, code - 1);
}

/** The same for the same prefix: a signed or unsigned 32-bit number. */
export function hashIpv4(address: number, length: number): number {
  return mixBits(address ^ Math.imul(length + 1, 0x9e3779b1));
}
