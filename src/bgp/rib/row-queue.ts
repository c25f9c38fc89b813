import { copiedInto, grownCapacity } from "./columns.ts";

/**
 * Numbers of rows, first in, first out.
 *
 * Invariant: what waits is `#rows` from `#head` to `#tail`; both are 0 when nothing does.
 */
export class RowQueue {
  #rows = new Int32Array(0);
  #head = 0;
  #tail = 0;

  get size(): number {
    return this.#tail - this.#head;
  }

  push(row: number): void {
    if (this.#tail === this.#rows.length) this.#makeRoom();
    this.#rows[this.#tail++] = row;
  }

  /** The oldest one; a negative number if there is none. */
  shift(): number {
    if (this.#head === this.#tail) return -1;
    const row = this.#rows[this.#head++] ?? -1;
    if (this.#head === this.#tail) {
      this.#head = 0;
      this.#tail = 0;
    }
    return row;
  }

  clear(): void {
    this.#head = 0;
    this.#tail = 0;
  }

  #makeRoom(): void {
    const waiting = this.#rows.subarray(this.#head, this.#tail);
    // Half of it used up: moving costs less than what has been taken out.
    if (this.#head * 2 > this.#rows.length) this.#rows.copyWithin(0, this.#head, this.#tail);
    else this.#rows = copiedInto(new Int32Array(grownCapacity(this.#rows.length, this.size)), waiting);
    this.#tail -= this.#head;
    this.#head = 0;
  }
}
