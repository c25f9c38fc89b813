import { enlarged } from "../net/prefix-index.ts";

/** First in, first out, and each row at most once. */
export class RowQueue {
  #members = new Uint8Array(0);
  #waiting: number[] = [];
  #head = 0;

  get size(): number {
    return this.#waiting.length - this.#head;
  }

  add(row: number): void {
    if (row >= this.#members.length) this.#members = enlarged(this.#members, Math.max(64, row * 2));
    if (this.#members[row] === 1) return;
    this.#members[row] = 1;
    this.#waiting.push(row);
  }

  /** Takes out up to `limit` rows. */
  take(limit: number): readonly number[] {
    const taken = this.#waiting.slice(this.#head, this.#head + limit);
    for (const row of taken) this.#members[row] = 0;
    this.#head += taken.length;
    // Moving the rest up costs as much as what was taken meanwhile.
    if (this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}
