import { type AddressFamily, IpAddress } from "./address.ts";
import { Prefix } from "./prefix.ts";

/** What `find` returns for a prefix that has no row. */
export const noRow = -1;

const FIRST_CAPACITY = 64;
/** Words per row, and which is which. */
const CELLS = 4;
const FIRST = 0;
const KIND = 1;
const HASH = 2;
const HOLDERS = 3;

const IPV6 = 0x100;
const LENGTH = 0xff;
/** In the place of length and family, of a row that is free. */
const FREE = 0xffff;

/**
 * Numbers prefixes: each gets a row, a small integer by which tables keep what they know of it in arrays of their own. So one
 * look-up serves any number of tables, and a prefix costs no object.
 *
 * A row lasts for as long as somebody holds it. Holders are the bits of an octet, one for each table; whoever adds a prefix
 * holds its row at once. A row that nobody holds any more is given to another prefix later, so tables forget what they have of
 * a row when they release it.
 *
 * Invariants: the slots are an open-addressing table with linear probing, at most half full, of the rows that are not free;
 * free rows are chained through their hashes; IPv6 rows have three more words in `#rest`, which is made with the first of them.
 */
export class PrefixIndex {
  #slots = new Int32Array(FIRST_CAPACITY * 2).fill(noRow);
  #shift = 32 - Math.log2(FIRST_CAPACITY * 2);
  /** Of each row, side by side since they are needed together: first word, kind (length, and the bit `IPV6`), hash, holders. */
  #cells = new Uint32Array(FIRST_CAPACITY * CELLS);
  #rest = new Uint32Array(0);
  #capacity = FIRST_CAPACITY;
  #firstFree = noRow;
  #used = 0;
  /** The last row that was found or made. */
  #latest = noRow;
  #size = 0;
  /** How many rows there are of each length: a longest match probes only these. */
  readonly #lengths: Readonly<Record<AddressFamily, Uint32Array>> = { 4: new Uint32Array(33), 6: new Uint32Array(129) };

  get size(): number {
    return this.#size;
  }

  /** All rows are below this. It grows by doubling, so that arrays which grow with it seldom have to. */
  get capacity(): number {
    return this.#capacity;
  }

  /** The row of a prefix, or `noRow`. */
  find(prefix: Prefix): number {
    const neighbour = this.#beside(prefix);
    if (neighbour !== noRow) return neighbour;
    const row = this.#at(this.#slotOf(prefix, prefix.hash()));
    if (row !== noRow) this.#latest = row;
    return row;
  }

  /** The row of a prefix, a new one if it has none. */
  hold(prefix: Prefix, holder: number): number {
    const neighbour = this.#beside(prefix);
    const row = neighbour === noRow ? this.#findOrAdd(prefix) : neighbour;
    this.holdRow(row, holder);
    return row;
  }

  #findOrAdd(prefix: Prefix): number {
    const hash = prefix.hash();
    let slot = this.#slotOf(prefix, hash);
    let row = this.#at(slot);
    if (row === noRow) {
      if (this.#firstFree === noRow && this.#used === this.capacity) {
        this.#grow();
        slot = this.#slotOf(prefix, hash);
      }
      row = this.#takeRow();
      this.#slots[slot] = row;
      this.#fill(row, prefix, hash);
    }
    this.#latest = row;
    return row;
  }

  /**
   * The row of a prefix if it is next to the last one that was asked for: what came in some order changes and goes in the same
   * order more often than not, and this needs neither a hash nor a jump through memory.
   */
  #beside(prefix: Prefix): number {
    const latest = this.#latest;
    for (let row = latest + 1; row >= latest - 1 && row >= 0; row -= 2)
      if (row < this.#used && this.#holds(row, prefix)) {
        this.#latest = row;
        return row;
      }
    return noRow;
  }

  /** As `hold` of a row's prefix, which somebody holds already. */
  holdRow(row: number, holder: number): void {
    const at = row * CELLS + HOLDERS;
    this.#cells[at] = (this.#cells[at] ?? 0) | holder;
  }

  isHeld(row: number, holder: number): boolean {
    return ((this.#cells[row * CELLS + HOLDERS] ?? 0) & holder) !== 0;
  }

  /** The row may get another prefix from now on, unless others hold it. */
  release(row: number, holder: number): void {
    const at = row * CELLS + HOLDERS;
    const left = (this.#cells[at] ?? 0) & ~holder;
    this.#cells[at] = left;
    if (left !== 0 || this.#cell(row, KIND) === FREE) return;
    this.#count(row, -1);
    this.#closeGap(this.#slotOfRow(row));
    this.#put(row, KIND, FREE);
    this.#put(row, HASH, this.#firstFree);
    this.#firstFree = row;
  }

  familyOf(row: number): AddressFamily {
    return (this.#cell(row, KIND) & IPV6) === 0 ? 4 : 6;
  }

  lengthOf(row: number): number {
    return this.#cell(row, KIND) & LENGTH;
  }

  /** The address's words, as those of `IpAddress`; `word` is 0 … 3. */
  wordOf(row: number, word: number): number {
    if (word === 0) return this.#cell(row, FIRST);
    return this.familyOf(row) === 4 ? 0 : (this.#rest[row * 3 + word - 1] ?? 0);
  }

  prefixOf(row: number): Prefix {
    const word = (index: number): number => this.wordOf(row, index);
    const address = this.familyOf(row) === 4 ? IpAddress.v4(word(0)) : IpAddress.v6(word(0), word(1), word(2), word(3));
    return Prefix.of(address, this.lengthOf(row));
  }

  /**
   * The rows of some of these holders, unordered. Rows may come and go meanwhile: none that stays is missed, and one that comes
   * may or may not be visited.
   */
  *rows(holders: number): IterableIterator<number> {
    for (let row = 0; row < this.#used; row++) if (this.isHeld(row, holders)) yield row;
  }

  /** The same in the order of their prefixes. */
  sortedRows(holders: number): number[] {
    const rows = [...this.rows(holders)];
    return rows.sort((left, right) => this.#compare(left, right));
  }

  /** The accepted row with the longest prefix that contains the address, or `noRow`. */
  longestMatch(address: IpAddress, accept: (row: number) => boolean): number {
    const lengths = this.#lengths[address.family];
    for (let length = lengths.length - 1; length >= 0; length--) {
      if (lengths[length] === 0) continue;
      const row = this.find(Prefix.of(address, length));
      if (row !== noRow && accept(row)) return row;
    }
    return noRow;
  }

  #at(slot: number): number {
    return this.#slots[slot] ?? noRow;
  }

  #cell(row: number, which: number): number {
    return this.#cells[row * CELLS + which] ?? 0;
  }

  #put(row: number, which: number, value: number): void {
    this.#cells[row * CELLS + which] = value;
  }

  #compare(left: number, right: number): number {
    let order = this.familyOf(left) - this.familyOf(right);
    for (let word = 0; order === 0 && word < 4; word++) order = this.wordOf(left, word) - this.wordOf(right, word);
    return order || this.lengthOf(left) - this.lengthOf(right);
  }

  /** The slot with this prefix's row, or the empty one where it would go. */
  #slotOf(prefix: Prefix, hash: number): number {
    const slots = this.#slots;
    const cells = this.#cells;
    const mask = slots.length - 1;
    let slot = hash >>> this.#shift;
    for (;;) {
      const row = slots[slot] ?? noRow;
      if (row === noRow || (cells[row * CELLS + HASH] === hash && this.#holds(row, prefix))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #slotOfRow(row: number): number {
    const mask = this.#slots.length - 1;
    let slot = this.#cell(row, HASH) >>> this.#shift;
    while (this.#slots[slot] !== row) slot = (slot + 1) & mask;
    return slot;
  }

  #holds(row: number, prefix: Prefix): boolean {
    const { address } = prefix;
    const { w0 } = address;
    const cells = this.#cells;
    if (cells[row * CELLS + FIRST] !== w0) return false;
    const kind = cells[row * CELLS + KIND];
    if (address.family === 4) return kind === prefix.length;
    const { w1, w2, w3 } = address;
    const at = row * 3;
    return (
      kind === (prefix.length | IPV6) && this.#rest[at] === w1 && this.#rest[at + 1] === w2 && this.#rest[at + 2] === w3
    );
  }

  #takeRow(): number {
    const row = this.#firstFree;
    if (row === noRow) return this.#used++;
    this.#firstFree = this.#cell(row, HASH) | 0;
    return row;
  }

  #fill(row: number, prefix: Prefix, hash: number): void {
    const { family, w0, w1, w2, w3 } = prefix.address;
    this.#put(row, HASH, hash);
    this.#put(row, FIRST, w0);
    this.#put(row, KIND, family === 4 ? prefix.length : prefix.length | IPV6);
    if (family === 6) {
      if (this.#rest.length === 0) this.#rest = new Uint32Array(this.capacity * 3);
      this.#rest[row * 3] = w1;
      this.#rest[row * 3 + 1] = w2;
      this.#rest[row * 3 + 2] = w3;
    }
    this.#count(row, 1);
  }

  #count(row: number, step: 1 | -1): void {
    const lengths = this.#lengths[this.familyOf(row)];
    const length = this.lengthOf(row);
    lengths[length] = (lengths[length] ?? 0) + step;
    this.#size += step;
  }

  /** Empties `gap` and moves later members of the probe run up, so that none is cut off from its home slot. */
  #closeGap(gap: number): void {
    const mask = this.#slots.length - 1;
    for (let slot = gap; ; ) {
      slot = (slot + 1) & mask;
      const row = this.#at(slot);
      if (row === noRow) break;
      const home = this.#cell(row, HASH) >>> this.#shift;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      this.#slots[gap] = row;
      gap = slot;
    }
    this.#slots[gap] = noRow;
  }

  /** No row is free when this is called. */
  #grow(): void {
    const capacity = this.capacity * 2;
    this.#capacity = capacity;
    this.#cells = enlarged(this.#cells, capacity * CELLS);
    if (this.#rest.length > 0) this.#rest = enlarged(this.#rest, capacity * 3);
    this.#slots = new Int32Array(capacity * 2).fill(noRow);
    this.#shift = 32 - Math.log2(this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let row = 0; row < this.#used; row++) {
      let slot = this.#cell(row, HASH) >>> this.#shift;
      while (this.#slots[slot] !== noRow) slot = (slot + 1) & mask;
      this.#slots[slot] = row;
    }
  }
}

/** Puts a row's value into an array that has one for each row before, which an array with holes would pay for with its speed. */
export function putAt<Value>(values: Value[], row: number, value: Value, filler: Value): void {
  while (values.length < row) values.push(filler);
  values[row] = value;
}

type Words = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** A copy of so many elements, of which the new ones are 0. */
export function enlarged<Of extends Words>(array: Of, length: number): Of {
  const make = array.constructor as new (length: number) => Of;
  const larger = new make(length);
  larger.set(array);
  return larger;
}
