import type { BucketTable } from "./bucket.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import { isPathSlot, type Slot } from "./path-slots.ts";

const firstCapacity = 16;
/** Entries for which an empty queue keeps room. */
const largestIdle = 16_384;

/**
 * Places of an Adj-RIB-Out that somebody has to be told of, each once and in the order in which they came, with the bucket of what he
 * was told last.
 *
 * Invariants: entries are `#slots` and `#buckets` from `#head` to `#tail`. Exactly their slots are marked: those of prefixes in
 * `#prefixMarks` by row, those of paths in `#pathMarks` by their complement, a bit each. Nothing is ever taken out of the middle: a place that
 * has come back to what was told waits on, and whoever takes it out sees that there is nothing to say.
 */
export class ToldQueue {
  #slots = new Int32Array(firstCapacity);
  #buckets = new Int32Array(firstCapacity);
  #prefixMarks = new Int32Array(0);
  #pathMarks = new Int32Array(0);
  #head = 0;
  #tail = 0;

  get size(): number {
    return this.#tail - this.#head;
  }

  has(slot: Slot): boolean {
    const at = isPathSlot(slot) ? ~slot : slot;
    const marks = isPathSlot(slot) ? this.#pathMarks : this.#prefixMarks;
    return ((marks[at >>> 5] ?? 0) & (1 << (at & 31))) !== 0;
  }

  /** Puts a slot, which must not be there, at the end. */
  add(slot: Slot, bucket: number): void {
    if (this.#tail === this.#slots.length) this.#makeRoom();
    this.#slots[this.#tail] = slot;
    this.#buckets[this.#tail++] = bucket;
    this.#mark(slot);
  }

  /** The slot that comes after `index` older ones. */
  slotAt(index: number): Slot {
    return this.#slots[this.#head + index] ?? 0;
  }

  bucketAt(index: number): number {
    return this.#buckets[this.#head + index] ?? 0;
  }

  /** Gives back what the oldest `count` entries hold. */
  releaseOldest(count: number, buckets: BucketTable): void {
    buckets.releaseAll(this.#buckets, this.#head, this.#head + count);
  }

  /** Takes the oldest `count` entries out. */
  drop(count: number): void {
    const end = this.#head + count;
    for (let at = this.#head; at < end; at++) this.#unmark(this.#slots[at] ?? 0);
    this.#head = end;
    if (end < this.#tail) return;
    this.#head = 0;
    this.#tail = 0;
    if (this.#slots.length <= largestIdle) return;
    this.#slots = new Int32Array(firstCapacity);
    this.#buckets = new Int32Array(firstCapacity);
  }

  copy(): ToldQueue {
    const other = new ToldQueue();
    other.#slots = this.#slots.slice();
    other.#buckets = this.#buckets.slice();
    other.#prefixMarks = this.#prefixMarks.slice();
    other.#pathMarks = this.#pathMarks.slice();
    other.#head = this.#head;
    other.#tail = this.#tail;
    return other;
  }

  #mark(slot: Slot): void {
    const at = isPathSlot(slot) ? ~slot : slot;
    const word = at >>> 5;
    if (isPathSlot(slot)) {
      if (word >= this.#pathMarks.length) this.#pathMarks = extended(this.#pathMarks, word);
      this.#pathMarks[word] = (this.#pathMarks[word] ?? 0) | (1 << (at & 31));
    } else {
      if (word >= this.#prefixMarks.length) this.#prefixMarks = extended(this.#prefixMarks, word);
      this.#prefixMarks[word] = (this.#prefixMarks[word] ?? 0) | (1 << (at & 31));
    }
  }

  #unmark(slot: Slot): void {
    const at = isPathSlot(slot) ? ~slot : slot;
    const marks = isPathSlot(slot) ? this.#pathMarks : this.#prefixMarks;
    marks[at >>> 5] = (marks[at >>> 5] ?? 0) & ~(1 << (at & 31));
  }

  #makeRoom(): void {
    const { length } = this.#slots;
    // Half of it used up: moving costs less than what has been taken out.
    if (this.#head * 2 > length) {
      this.#slots.copyWithin(0, this.#head, this.#tail);
      this.#buckets.copyWithin(0, this.#head, this.#tail);
    } else {
      const capacity = grownCapacity(length, this.size);
      this.#slots = copiedInto(new Int32Array(capacity), this.#slots.subarray(this.#head, this.#tail));
      this.#buckets = copiedInto(new Int32Array(capacity), this.#buckets.subarray(this.#head, this.#tail));
    }
    this.#tail -= this.#head;
    this.#head = 0;
  }
}

function extended(marks: Int32Array<ArrayBuffer>, word: number): Int32Array<ArrayBuffer> {
  return copiedInto(new Int32Array(grownCapacity(marks.length, word)), marks);
}
