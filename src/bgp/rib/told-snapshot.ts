import type { BucketTable } from "./bucket.ts";
import { noBucket } from "./bucket.ts";
import { isPathSlot, type Slot } from "./path-slots.ts";

/**
 * What some peers had been told at one moment, for those who then have to be told only what is different: the bucket of every place.
 * It does not change any more, and several may look at it.
 *
 * Invariants: each bucket is held once per place until the last of those who look at it has let it go.
 */
export class ToldSnapshot {
  readonly #buckets: BucketTable;
  readonly #ofPrefix: Int32Array;
  readonly #ofPath: Int32Array;
  #holders = 1;

  /** Holds what is in the columns, of which it becomes the owner; as in the Adj-RIB-Out. */
  constructor(buckets: BucketTable, ofPrefix: Int32Array, ofPath: Int32Array) {
    this.#buckets = buckets;
    this.#ofPrefix = ofPrefix;
    this.#ofPath = ofPath;
    buckets.retainAll(ofPrefix);
    buckets.retainAll(ofPath);
  }

  get(slot: Slot): number {
    return (isPathSlot(slot) ? this.#ofPath[~slot] : this.#ofPrefix[slot]) ?? noBucket;
  }

  /** Rows of prefixes that are told of are below this. */
  get prefixEnd(): number {
    return this.#ofPrefix.length;
  }

  /** Complements of slots of paths that are told of are below this. */
  get pathEnd(): number {
    return this.#ofPath.length;
  }

  /** Puts what was told of places from `prefix` and `path` on into columns that are at least as long. */
  restore(ofPrefix: Int32Array, prefix: number, ofPath: Int32Array, path: number): void {
    ofPrefix.set(this.#ofPrefix.subarray(prefix), Math.min(prefix, this.#ofPrefix.length));
    ofPath.set(this.#ofPath.subarray(path), Math.min(path, this.#ofPath.length));
  }

  retain(): void {
    this.#holders++;
  }

  release(): void {
    this.#holders--;
    if (this.#holders > 0) return;
    this.#buckets.releaseAll(this.#ofPrefix, 0, this.#ofPrefix.length);
    this.#buckets.releaseAll(this.#ofPath, 0, this.#ofPath.length);
  }
}
