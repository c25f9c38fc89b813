import { copiedInto, grownCapacity } from "./columns.ts";
import type { Slot } from "./path-slots.ts";

const none = -1;

/**
 * Places in the order in which they came, put together by bucket: places in a row of the same bucket are a run, and the runs of a bucket a
 * list.
 *
 * Invariants: run `r` has the slots from `#starts[r]` to `#starts[r + 1]`, or to the end. The first run of a bucket is known by
 * `#firsts`, which is only good where that run exists and is of this bucket: so nothing has to be cleared. `#nexts` leads from each run to the next
 * of its bucket, `#lasts` from the first run to the last one; other runs have `none` there.
 */
export class SlotRuns {
  #slots = new Int32Array(0);
  #size = 0;
  #buckets = new Int32Array(0);
  #starts = new Int32Array(0);
  #nexts = new Int32Array(0);
  #lasts = new Int32Array(0);
  #runs = 0;
  #bucket = none;
  #firsts = new Int32Array(0);
  #gathered = new Int32Array(0);

  get size(): number {
    return this.#size;
  }

  clear(): void {
    this.#size = 0;
    this.#runs = 0;
    this.#bucket = none;
  }

  add(slot: Slot, bucket: number): void {
    if (bucket !== this.#bucket) this.#begin(bucket);
    if (this.#size === this.#slots.length)
      this.#slots = copiedInto(new Int32Array(grownCapacity(this.#slots.length, this.#size)), this.#slots);
    this.#slots[this.#size++] = slot;
  }

  /** Calls `visit` with every bucket, in the order of their first places, and with its places: those of `slots` from `start` to `end`. */
  each(visit: (bucket: number, slots: Int32Array, start: number, end: number) => void): void {
    for (let run = 0; run < this.#runs; run++) {
      if (this.#lasts[run] === none) continue;
      const bucket = this.#buckets[run] ?? 0;
      if (this.#lasts[run] === run) visit(bucket, this.#slots, this.#starts[run] ?? 0, this.#endOf(run));
      else {
        const count = this.#gather(run);
        visit(bucket, this.#gathered, 0, count);
      }
    }
  }

  #endOf(run: number): number {
    return run + 1 < this.#runs ? (this.#starts[run + 1] ?? 0) : this.#size;
  }

  /** How many places the runs of this one's bucket have. */
  #gather(first: number): number {
    if (this.#gathered.length < this.#size) this.#gathered = new Int32Array(this.#slots.length);
    let count = 0;
    for (let run = first; run !== none; run = this.#nexts[run] ?? none)
      for (let at = this.#starts[run] ?? 0, end = this.#endOf(run); at < end; at++)
        this.#gathered[count++] = this.#slots[at] ?? 0;
    return count;
  }

  #begin(bucket: number): void {
    const run = this.#runs;
    if (run === this.#buckets.length) this.#makeRoom(run);
    if (bucket >= this.#firsts.length)
      this.#firsts = copiedInto(new Int32Array(grownCapacity(this.#firsts.length, bucket)), this.#firsts);
    const first = this.#firsts[bucket] ?? 0;
    if (first < run && this.#buckets[first] === bucket) {
      this.#nexts[this.#lasts[first] ?? 0] = run;
      this.#lasts[first] = run;
      this.#lasts[run] = none;
    } else {
      this.#firsts[bucket] = run;
      this.#lasts[run] = run;
    }
    this.#nexts[run] = none;
    this.#buckets[run] = bucket;
    this.#starts[run] = this.#size;
    this.#bucket = bucket;
    this.#runs++;
  }

  #makeRoom(run: number): void {
    const capacity = grownCapacity(this.#buckets.length, run);
    this.#buckets = copiedInto(new Int32Array(capacity), this.#buckets);
    this.#starts = copiedInto(new Int32Array(capacity), this.#starts);
    this.#nexts = copiedInto(new Int32Array(capacity), this.#nexts);
    this.#lasts = copiedInto(new Int32Array(capacity), this.#lasts);
  }
}
