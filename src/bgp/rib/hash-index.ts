const empty = -1;
const firstPlaces = 32;

/**
 * Which rows of a table may have a key, by the key's hash: open addressing with linear probing over one typed array, in which each place
 * has a row and its hash side by side. The table keeps the keys and compares them.
 *
 *     for (let at = index.first(hash); ; at = index.next(at)) {
 *       const row = index.rowAt(at);
 *       if (row < 0) break;
 *       if (index.hashAt(at) === hash && …) …
 *     }
 *
 * Invariants: at most half of the places are taken; between a row's home place and where it stands no place is empty (a removal
 * moves later rows of the run up instead of leaving a mark); a row stands in it once at most.
 */
export class HashIndex {
  /** Row and hash by turns. */
  #places = new Int32Array(firstPlaces * 2).fill(empty);
  #shift = 32 - Math.log2(firstPlaces);
  #mask = firstPlaces - 1;
  #size = 0;
  /** Takes what `prepare` reads, which would not be read if nobody took it. */
  #near = new Int32Array(0);

  /** The place where the search for a hash, a 32-bit number, begins. */
  first(hash: number): number {
    return hash >>> this.#shift;
  }

  /** The row at a place, or a negative number where the search ends. */
  rowAt(place: number): number {
    return this.#places[place * 2] ?? empty;
  }

  /** The hash that the row at a place was added with, as a signed number. */
  hashAt(place: number): number {
    return this.#places[place * 2 + 1] ?? 0;
  }

  next(place: number): number {
    return (place + 1) & this.#mask;
  }

  /** The row must not be there. */
  add(row: number, hash: number): void {
    if ((this.#size + 1) * 4 > this.#places.length) this.#grow();
    this.#put(row, hash);
    this.#size++;
  }

  /** The row must be there, under this hash. */
  remove(row: number, hash: number): void {
    let gap = this.first(hash);
    while (this.rowAt(gap) !== row) gap = this.next(gap);
    const mask = this.#mask;
    for (let place = this.next(gap); this.rowAt(place) !== empty; place = this.next(place)) {
      const home = this.first(this.hashAt(place));
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      this.#places[gap * 2] = this.rowAt(place);
      this.#places[gap * 2 + 1] = this.hashAt(place);
      gap = place;
    }
    this.#places[gap * 2] = empty;
    this.#size--;
  }

  /**
   * Rows with these hashes are about to be removed. The processor gets their places side by side, which takes a fraction of the time of
   * one after the other.
   */
  prepare(hashes: Int32Array): void {
    if (this.#near.length < hashes.length) this.#near = new Int32Array(hashes.length);
    for (let index = 0; index < hashes.length; index++)
      this.#near[index] = this.#places[((hashes[index] ?? 0) >>> this.#shift) * 2] ?? empty;
  }

  #put(row: number, hash: number): void {
    let place = this.first(hash);
    while (this.rowAt(place) !== empty) place = this.next(place);
    this.#places[place * 2] = row;
    this.#places[place * 2 + 1] = hash;
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Int32Array(old.length * 2).fill(empty);
    this.#shift--;
    this.#mask = this.#mask * 2 + 1;
    for (let at = 0; at < old.length; at += 2) {
      const row = old[at] ?? empty;
      if (row !== empty) this.#put(row, old[at + 1] ?? 0);
    }
  }
}
