const firstPlaces = 32;
/** Bits of a place that are the lowest of the hash; the row plus 1 is above. */
const tagBits = 6;
const tagMask = (1 << tagBits) - 1;
/** What a place has room for. */
export const largestRow = 2 ** (32 - tagBits) - 2;
/** No row and no place. */
const none = -1;
/** The place is taken by a prefix with another hash. */
const other = -2;
/** Stands in `#old` for what has been removed. */
const gone = 1;
/** How many places of `#old` are moved for each prefix that comes; two would be enough for it to be done before the next time. */
const movesPerPrefix = 16;

/**
 * Which row may have a prefix, by its hash: open addressing with linear probing over places of four octets, with the row and some bits of the
 * hash. The table of rows compares the prefixes, of which nearly all that it does not look for have other bits.
 *
 *     for (let place = index.first(hash); ; place = index.next(place)) {
 *       const row = index.rowAt(place, hash);
 *       if (row >= 0 && …) …
 *       if (index.isEnd(row)) break;
 *     }
 *
 * Invariants: an empty place is 0; at most half of the places are taken; between a row's home place and where it stands no place is
 * empty (a removal moves later ones of the run up instead of leaving a mark). Places are in the order of hashes but for collisions.
 *
 * It grows in steps, so that a million prefixes do not wait for it: while `#old` has places, those of them from `#moved` on have not been
 * moved to `#places` yet; those before it have, and stand in both. What is removed from `#old` leaves the mark `gone`.
 */
export class CompactIndex {
  /** The hash that a row was added with: its highest bits are the home place. */
  readonly #hashOf: (row: number) => number;
  #places = new Int32Array(firstPlaces);
  #shift = 32 - Math.log2(firstPlaces);
  #mask = firstPlaces - 1;
  #size = 0;
  #old = new Int32Array(0);
  #moved = 0;

  constructor(hashOf: (row: number) => number) {
    this.#hashOf = hashOf;
  }

  get size(): number {
    return this.#size;
  }

  /** The place where the search for a hash, a 32-bit number, begins. */
  first(hash: number): number {
    return hash >>> this.#shift;
  }

  next(place: number): number {
    return (place + 1) & this.#mask;
  }

  /** The row at a place, if its hash may be this one, or a negative number: `isEnd` says whether the search ends there. */
  rowAt(place: number, hash: number): number {
    const value = this.#places[place] ?? 0;
    if (value === 0) return none;
    return ((value ^ hash) & tagMask) === 0 ? (value >>> tagBits) - 1 : other;
  }

  isEnd(row: number): boolean {
    return row === none;
  }

  /** True while a search in vain has to go on with `findElsewhere`. */
  get isGrowing(): boolean {
    return this.#old.length > 0;
  }

  /** The row with this hash for which `isIt` holds, or a negative number, if the search has not found it. */
  findElsewhere(hash: number, isIt: (row: number) => boolean): number {
    const place = this.#findOld(hash, isIt);
    return place === none ? none : ((this.#old[place] ?? 0) >>> tagBits) - 1;
  }

  /** The row must not be there, and not be above `largestRow`. */
  add(row: number, hash: number): void {
    if ((this.#size + 1) * 2 > this.#places.length) this.#grow();
    if (this.#old.length > 0) this.#move(movesPerPrefix);
    this.#put(((row + 1) << tagBits) | (hash & tagMask), hash);
    this.#size++;
  }

  /** The row must be there, under this hash. */
  remove(row: number, hash: number): void {
    this.#size--;
    if (this.#old.length > 0) {
      const at = this.#findOld(hash, (one) => one === row);
      if (at !== none) this.#old[at] = gone;
      if (at >= this.#moved) return;
    }
    const places = this.#places;
    const mask = this.#mask;
    let gap = this.first(hash);
    while (((places[gap] ?? 0) >>> tagBits) - 1 !== row) gap = (gap + 1) & mask;
    for (let place = (gap + 1) & mask; places[place] !== 0; place = (place + 1) & mask) {
      const value = places[place] ?? 0;
      const home = this.first(this.#hashOf((value >>> tagBits) - 1));
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      places[gap] = value;
      gap = place;
    }
    places[gap] = 0;
  }

  /** Everything goes, and the memory with it. */
  clear(): void {
    this.#places = new Int32Array(firstPlaces);
    this.#shift = 32 - Math.log2(firstPlaces);
    this.#mask = firstPlaces - 1;
    this.#size = 0;
    this.#old = new Int32Array(0);
  }

  /**
   * Prefixes with the first `count` of these hashes are about to be looked for. The processor gets their places side by side, which takes a
   * fraction of the time of one after the other; and there is room for those that cannot be there yet.
   */
  prepare(hashes: Int32Array, count: number): void {
    const places = this.#places;
    const shift = this.#shift;
    let vacant = 0;
    for (let index = 0; index < count; index++) {
      const value = places[(hashes[index] ?? 0) >>> shift] ?? 0;
      // 1 for 0: a branch would have to be guessed, and the places behind it would wait.
      vacant += ((value | -value) >>> 31) ^ 1;
    }
    while ((this.#size + vacant) * 2 > this.#places.length) this.#grow();
    if (this.#old.length > 0) this.#move(vacant * movesPerPrefix);
  }

  #put(value: number, hash: number): void {
    const places = this.#places;
    let place = hash >>> this.#shift;
    while (places[place] !== 0) place = (place + 1) & this.#mask;
    places[place] = value;
  }

  /** The place in `#old`, or none. */
  #findOld(hash: number, isIt: (row: number) => boolean): number {
    const old = this.#old;
    const mask = old.length - 1;
    for (let place = hash >>> (this.#shift + 1); old[place] !== 0; place = (place + 1) & mask) {
      const value = old[place] ?? 0;
      if (value !== gone && ((value ^ hash) & tagMask) === 0 && isIt((value >>> tagBits) - 1)) return place;
    }
    return none;
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
    const end = Math.min(this.#moved + count, old.length);
    for (let place = this.#moved; place < end; place++) {
      const value = old[place] ?? 0;
      if (value !== 0 && value !== gone) this.#put(value, this.#hashOf((value >>> tagBits) - 1));
    }
    this.#moved = end;
    if (end === old.length) this.#old = new Int32Array(0);
  }
}
