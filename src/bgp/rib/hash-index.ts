import { copiedInto } from "./columns.ts";

const empty = -1;
const firstCapacity = 16;

/**
 * Which rows of a table may have a key, by the key's hash: open addressing with linear probing over typed arrays. The table
 * keeps the keys and compares them; this keeps row numbers and hashes.
 *
 *     for (let at = index.first(hash); ; at = index.next(at)) { const row = index.rowAt(at); if (row < 0) break; … }
 *
 * Invariants: at most half of the places are taken; between a row's home place and where it stands no place is empty (a removal
 * moves later rows of the run up instead of leaving a mark); a row stands in it once at most.
 */
export class HashIndex {
  #places = new Int32Array(firstCapacity * 2).fill(empty);
  #shift = 32 - Math.log2(firstCapacity * 2);
  #hashes = new Uint32Array(firstCapacity);
  #size = 0;

  /** The place where the search for a hash begins. */
  first(hash: number): number {
    return hash >>> this.#shift;
  }

  /** The row at a place, or a negative number where the search ends. */
  rowAt(place: number): number {
    return this.#places[place] ?? empty;
  }

  next(place: number): number {
    return (place + 1) & (this.#places.length - 1);
  }

  /** The hash that a row was added with. */
  hashOf(row: number): number {
    return this.#hashes[row] ?? 0;
  }

  /** `hash` is an unsigned 32-bit number. The row must not be there. */
  add(row: number, hash: number): void {
    if ((this.#size + 1) * 2 > this.#places.length) this.#grow();
    if (row >= this.#hashes.length) {
      const capacity = Math.max(row + 1, this.#hashes.length * 2);
      this.#hashes = copiedInto(new Uint32Array(capacity), this.#hashes);
    }
    this.#hashes[row] = hash;
    this.#place(row, hash);
    this.#size++;
  }

  /** The row must be there. */
  remove(row: number): void {
    let gap = this.first(this.hashOf(row));
    while (this.rowAt(gap) !== row) gap = this.next(gap);
    const mask = this.#places.length - 1;
    for (let place = this.next(gap); this.rowAt(place) !== empty; place = this.next(place)) {
      const other = this.rowAt(place);
      const home = this.first(this.hashOf(other));
      if (((place - home) & mask) < ((place - gap) & mask)) continue;
      this.#places[gap] = other;
      gap = place;
    }
    this.#places[gap] = empty;
    this.#size--;
  }

  #place(row: number, hash: number): void {
    let place = this.first(hash);
    while (this.rowAt(place) !== empty) place = this.next(place);
    this.#places[place] = row;
  }

  #grow(): void {
    const old = this.#places;
    this.#places = new Int32Array(old.length * 2).fill(empty);
    this.#shift--;
    for (const row of old) if (row !== empty) this.#place(row, this.hashOf(row));
  }
}
