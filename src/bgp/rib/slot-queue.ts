import { copiedInto } from "./columns.ts";
import type { Slot } from "./path-slots.ts";

/** Stands where an entry was taken out. Path slots are small negative numbers, and rows positive ones. */
const hole = -0x80000000;
const firstCapacity = 16;
/** Entries for which an empty queue keeps room. */
const largestIdle = 4096;

/**
 * A map from places of an Adj-RIB-Out to buckets that keeps the order in which they came: what `Map` is, in typed arrays.
 *
 * Invariants: entries are `#slots` and `#buckets` from `#head` to `#tail`, some of them holes. `#index` has for every entry its
 * position plus 1 under the slot's hash (linear probing, at most half full); 0 is empty. All is empty again when the last entry
 * goes.
 */
export class SlotQueue {
  #slots = new Int32Array(firstCapacity);
  #buckets = new Int32Array(firstCapacity);
  #index = new Int32Array(firstCapacity * 2);
  #shift = 32 - Math.log2(firstCapacity * 2);
  #head = 0;
  #tail = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The bucket of a slot; negative if it is not there. */
  get(slot: Slot): number {
    const position = this.#index[this.#find(slot)] ?? 0;
    return position === 0 ? -1 : (this.#buckets[position - 1] ?? -1);
  }

  /** Puts a slot, which must not be there, at the end. */
  add(slot: Slot, bucket: number): void {
    if (this.#tail === this.#slots.length) this.#makeRoom();
    const place = this.#find(slot);
    this.#slots[this.#tail] = slot;
    this.#buckets[this.#tail] = bucket;
    this.#tail++;
    this.#index[place] = this.#tail;
    this.#size++;
  }

  /** Takes a slot out that must be there. */
  delete(slot: Slot): void {
    const place = this.#find(slot);
    const position = (this.#index[place] ?? 0) - 1;
    this.#slots[position] = hole;
    this.#size--;
    this.#closeGap(place);
    if (this.#size === 0) this.#rewind();
  }

  /** Takes the oldest entry out and gives it to `visit`; false if there is none. */
  shift(visit: (slot: Slot, bucket: number) => void): boolean {
    while (this.#head < this.#tail && this.#slots[this.#head] === hole) this.#head++;
    if (this.#head === this.#tail) return false;
    const slot = this.#slots[this.#head] ?? 0;
    const bucket = this.#buckets[this.#head] ?? 0;
    this.delete(slot);
    visit(slot, bucket);
    return true;
  }

  /** All entries, oldest first. Must not change meanwhile. */
  each(visit: (slot: Slot, bucket: number) => void): void {
    for (let at = this.#head; at < this.#tail; at++) {
      const slot = this.#slots[at] ?? hole;
      if (slot !== hole) visit(slot, this.#buckets[at] ?? 0);
    }
  }

  copy(): SlotQueue {
    const other = new SlotQueue();
    other.#slots = this.#slots.slice();
    other.#buckets = this.#buckets.slice();
    other.#index = this.#index.slice();
    other.#shift = this.#shift;
    other.#head = this.#head;
    other.#tail = this.#tail;
    other.#size = this.#size;
    return other;
  }

  /** The place of a slot's position, or the empty one where it would go. */
  #find(slot: Slot): number {
    const mask = this.#index.length - 1;
    for (let place = homeOf(slot, this.#shift); ; place = (place + 1) & mask) {
      const position = this.#index[place] ?? 0;
      if (position === 0 || this.#slots[position - 1] === slot) return place;
    }
  }

  /** Moves later members of the run up. */
  #closeGap(place: number): void {
    const mask = this.#index.length - 1;
    let gap = place;
    for (let other = (gap + 1) & mask; ; other = (other + 1) & mask) {
      const position = this.#index[other] ?? 0;
      if (position === 0) break;
      const home = homeOf(this.#slots[position - 1] ?? 0, this.#shift);
      if (((other - home) & mask) < ((other - gap) & mask)) continue;
      this.#index[gap] = position;
      gap = other;
    }
    this.#index[gap] = 0;
  }

  /** At the end of the arrays: without the holes there may be room enough. */
  #makeRoom(): void {
    const { length } = this.#slots;
    const capacity = this.#size * 2 > length ? length * 2 : length;
    const slots = this.#slots;
    const buckets = this.#buckets;
    let tail = 0;
    for (let at = this.#head; at < this.#tail; at++) {
      const slot = slots[at] ?? hole;
      if (slot === hole) continue;
      slots[tail] = slot;
      buckets[tail++] = buckets[at] ?? 0;
    }
    this.#head = 0;
    this.#tail = tail;
    if (capacity > length) {
      this.#slots = copiedInto(new Int32Array(capacity), slots);
      this.#buckets = copiedInto(new Int32Array(capacity), buckets);
    }
    this.#index = new Int32Array(capacity * 2);
    this.#shift = 32 - Math.log2(capacity * 2);
    for (let at = 0; at < tail; at++) this.#index[this.#find(this.#slots[at] ?? 0)] = at + 1;
  }

  /** Nothing is left; what a long queue took is given back. */
  #rewind(): void {
    this.#head = 0;
    this.#tail = 0;
    if (this.#slots.length <= largestIdle) return;
    this.#slots = new Int32Array(firstCapacity);
    this.#buckets = new Int32Array(firstCapacity);
    this.#index = new Int32Array(firstCapacity * 2);
    this.#shift = 32 - Math.log2(firstCapacity * 2);
  }
}

function homeOf(slot: Slot, shift: number): number {
  return Math.imul(slot, 0x9e3779b1) >>> shift;
}
