import type { BucketTable } from "./bucket.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import type { Slot } from "./path-slots.ts";

/**
 * What one pass has changed in an Adj-RIB-Out: places, and the bucket that each had before, of which the hold waits here. All groups
 * use the same, one after the other.
 */
export class SlotChanges {
  #slots = new Int32Array(0);
  #olds = new Int32Array(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  slotAt(index: number): Slot {
    return this.#slots[index] ?? 0;
  }

  oldAt(index: number): number {
    return this.#olds[index] ?? 0;
  }

  /** Takes over the hold of `old`. */
  add(slot: Slot, old: number): void {
    const at = this.#size++;
    if (at >= this.#slots.length) {
      const capacity = grownCapacity(this.#slots.length, at);
      this.#slots = copiedInto(new Int32Array(capacity), this.#slots);
      this.#olds = copiedInto(new Int32Array(capacity), this.#olds);
    }
    this.#slots[at] = slot;
    this.#olds[at] = old;
  }

  /** Gives the holds back, and forgets everything. */
  clear(buckets: BucketTable): void {
    buckets.releaseAll(this.#olds, 0, this.#size);
    this.#size = 0;
  }
}
