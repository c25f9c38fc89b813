import { type AddressFamily, IpAddress } from "./address.ts";
import { Prefix } from "./prefix.ts";

const EMPTY = -1;
const FREE_LENGTH = 255;
const FIRST_CAPACITY = 16;

/**
 * A `Map` keyed by prefix value (not identity). Keys live as words in typed arrays, so that a table of hundreds of
 * thousands of routes costs a few tens of bytes per key and no object each; iteration makes the `Prefix` objects.
 *
 * Iteration order is unspecified. Entries may be deleted, overwritten and added while iterating: no entry is visited
 * twice, none that stays is missed, and one added meanwhile may or may not be visited.
 */
export class PrefixMap<Value> {
  readonly #v4 = new FamilyTable<Value>(4);
  readonly #v6 = new FamilyTable<Value>(6);

  constructor(entries: Iterable<readonly [Prefix, Value]> = []) {
    for (const [prefix, value] of entries) this.set(prefix, value);
  }

  get size(): number {
    return this.#v4.size + this.#v6.size;
  }

  get(prefix: Prefix): Value | undefined {
    return this.#table(prefix).get(prefix);
  }

  has(prefix: Prefix): boolean {
    return this.#table(prefix).has(prefix);
  }

  set(prefix: Prefix, value: Value): this {
    this.#table(prefix).set(prefix, value);
    return this;
  }

  /** True if the key was there. */
  delete(prefix: Prefix): boolean {
    return this.#table(prefix).delete(prefix);
  }

  clear(): void {
    this.#v4.clear();
    this.#v6.clear();
  }

  *entries(): IterableIterator<[Prefix, Value]> {
    yield* this.#v4.entries();
    yield* this.#v6.entries();
  }

  *keys(): IterableIterator<Prefix> {
    for (const [prefix] of this.entries()) yield prefix;
  }

  *values(): IterableIterator<Value> {
    yield* this.#v4.values();
    yield* this.#v6.values();
  }

  [Symbol.iterator](): IterableIterator<[Prefix, Value]> {
    return this.entries();
  }

  #table(prefix: Prefix): FamilyTable<Value> {
    return prefix.family === 4 ? this.#v4 : this.#v6;
  }
}

/** A `Set` of prefix values on the same terms as `PrefixMap`. */
export class PrefixSet {
  readonly #map = new PrefixMap<true>();

  constructor(prefixes: Iterable<Prefix> = []) {
    for (const prefix of prefixes) this.add(prefix);
  }

  get size(): number {
    return this.#map.size;
  }

  has(prefix: Prefix): boolean {
    return this.#map.has(prefix);
  }

  add(prefix: Prefix): this {
    this.#map.set(prefix, true);
    return this;
  }

  /** True if the prefix was there. */
  delete(prefix: Prefix): boolean {
    return this.#map.delete(prefix);
  }

  clear(): void {
    this.#map.clear();
  }

  values(): IterableIterator<Prefix> {
    return this.#map.keys();
  }

  [Symbol.iterator](): IterableIterator<Prefix> {
    return this.values();
  }
}

/**
 * Open addressing with linear probing for one family. `#slots` holds entry numbers; an entry keeps its number until it
 * is deleted (which is what makes iteration stable), and freed numbers are chained through `#hashes`. Deletion shifts
 * the probe run back instead of leaving tombstones, so lookups stay short after any amount of churn.
 */
class FamilyTable<Value> {
  readonly #family: AddressFamily;
  readonly #stride: 1 | 4;
  #slots = new Int32Array(0);
  #words = new Uint32Array(0);
  #hashes = new Uint32Array(0);
  #lengths = new Uint8Array(0);
  #values: (Value | undefined)[] = [];
  /** Entry numbers ever used: 0 … #used-1. */
  #used = 0;
  #firstFree = EMPTY;
  #slotShift = 32;
  size = 0;

  constructor(family: AddressFamily) {
    this.#family = family;
    this.#stride = family === 4 ? 1 : 4;
    this.clear();
  }

  clear(): void {
    this.#slots = new Int32Array(FIRST_CAPACITY * 2).fill(EMPTY);
    this.#slotShift = 32 - Math.log2(this.#slots.length);
    this.#words = new Uint32Array(FIRST_CAPACITY * this.#stride);
    this.#hashes = new Uint32Array(FIRST_CAPACITY);
    this.#lengths = new Uint8Array(FIRST_CAPACITY);
    this.#values = [];
    this.#used = 0;
    this.#firstFree = EMPTY;
    this.size = 0;
  }

  get(prefix: Prefix): Value | undefined {
    if (this.size === 0) return undefined;
    const entry = this.#entryAt(this.#find(prefix, prefix.hash()));
    return entry === EMPTY ? undefined : this.#values[entry];
  }

  has(prefix: Prefix): boolean {
    return this.size > 0 && this.#entryAt(this.#find(prefix, prefix.hash())) !== EMPTY;
  }

  set(prefix: Prefix, value: Value): void {
    const hash = prefix.hash();
    let slot = this.#find(prefix, hash);
    const existing = this.#entryAt(slot);
    if (existing !== EMPTY) {
      this.#values[existing] = value;
      return;
    }
    if (this.#firstFree === EMPTY && this.#used === this.#lengths.length) {
      this.#grow();
      slot = this.#find(prefix, hash);
    }
    const entry = this.#takeEntry();
    this.#slots[slot] = entry;
    this.#hashes[entry] = hash;
    this.#lengths[entry] = prefix.length;
    this.#values[entry] = value;
    const { w0, w1, w2, w3 } = prefix.address;
    const at = entry * this.#stride;
    this.#words[at] = w0;
    if (this.#stride === 4) {
      this.#words[at + 1] = w1;
      this.#words[at + 2] = w2;
      this.#words[at + 3] = w3;
    }
    this.size++;
  }

  delete(prefix: Prefix): boolean {
    if (this.size === 0) return false;
    const slot = this.#find(prefix, prefix.hash());
    const entry = this.#entryAt(slot);
    if (entry === EMPTY) return false;
    this.#closeGap(slot);
    this.#values[entry] = undefined;
    this.#lengths[entry] = FREE_LENGTH;
    this.#hashes[entry] = this.#firstFree;
    this.#firstFree = entry;
    this.size--;
    return true;
  }

  *entries(): IterableIterator<[Prefix, Value]> {
    for (let entry = 0; entry < this.#used; entry++) {
      if (this.#lengths[entry] === FREE_LENGTH) continue;
      yield [this.#keyOf(entry), this.#values[entry] as Value];
    }
  }

  *values(): IterableIterator<Value> {
    for (let entry = 0; entry < this.#used; entry++)
      if (this.#lengths[entry] !== FREE_LENGTH) yield this.#values[entry] as Value;
  }

  /** The slot that holds this key, or the empty one where it would go. The table is at most half full. */
  #find(prefix: Prefix, hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash >>> this.#slotShift;
    for (;;) {
      const entry = this.#entryAt(slot);
      if (entry === EMPTY || (this.#hashes[entry] === hash && this.#holds(entry, prefix))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #entryAt(slot: number): number {
    return this.#slots[slot] ?? EMPTY;
  }

  #holds(entry: number, prefix: Prefix): boolean {
    const { w0, w1, w2, w3 } = prefix.address;
    const at = entry * this.#stride;
    if (this.#lengths[entry] !== prefix.length || this.#words[at] !== w0) return false;
    return (
      this.#stride === 1 || (this.#words[at + 1] === w1 && this.#words[at + 2] === w2 && this.#words[at + 3] === w3)
    );
  }

  #keyOf(entry: number): Prefix {
    const at = entry * this.#stride;
    const word = (index: number): number => this.#words[at + index] ?? 0;
    const address = this.#family === 4 ? IpAddress.v4(word(0)) : IpAddress.v6(word(0), word(1), word(2), word(3));
    return Prefix.of(address, this.#lengths[entry] ?? 0);
  }

  #takeEntry(): number {
    const entry = this.#firstFree;
    if (entry === EMPTY) return this.#used++;
    this.#firstFree = (this.#hashes[entry] ?? 0) | 0;
    return entry;
  }

  /** Empties `gap` and moves later members of the probe run up, so that none is cut off from its home slot. */
  #closeGap(gap: number): void {
    const mask = this.#slots.length - 1;
    let slot = gap;
    for (;;) {
      slot = (slot + 1) & mask;
      const entry = this.#entryAt(slot);
      if (entry === EMPTY) break;
      const home = (this.#hashes[entry] ?? 0) >>> this.#slotShift;
      if (((slot - home) & mask) < ((slot - gap) & mask)) continue;
      this.#slots[gap] = entry;
      gap = slot;
    }
    this.#slots[gap] = EMPTY;
  }

  #grow(): void {
    const capacity = this.#lengths.length * 2;
    this.#words = copyInto(new Uint32Array(capacity * this.#stride), this.#words);
    this.#hashes = copyInto(new Uint32Array(capacity), this.#hashes);
    this.#lengths = copyInto(new Uint8Array(capacity), this.#lengths);
    this.#slots = new Int32Array(capacity * 2).fill(EMPTY);
    this.#slotShift = 32 - Math.log2(this.#slots.length);
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < this.#used; entry++) {
      let slot = (this.#hashes[entry] ?? 0) >>> this.#slotShift;
      while (this.#entryAt(slot) !== EMPTY) slot = (slot + 1) & mask;
      this.#slots[slot] = entry;
    }
  }
}

function copyInto<Words extends Uint32Array | Uint8Array>(target: Words, source: Words): Words {
  target.set(source);
  return target;
}
