import type { Prefix } from "../net/prefix.ts";
import { PrefixSet } from "../net/prefix-map.ts";

/** First in, first out, and each prefix at most once. */
export class PrefixQueue {
  readonly #members = new PrefixSet();
  #waiting: Prefix[] = [];
  #head = 0;

  get size(): number {
    return this.#members.size;
  }

  add(prefix: Prefix): void {
    if (this.#members.has(prefix)) return;
    this.#members.add(prefix);
    this.#waiting.push(prefix);
  }

  /** Takes out up to `limit` prefixes. */
  take(limit: number): readonly Prefix[] {
    const taken = this.#waiting.slice(this.#head, this.#head + limit);
    for (const prefix of taken) this.#members.delete(prefix);
    this.#head += taken.length;
    // Moving the rest up costs as much as what was taken meanwhile.
    if (this.#head * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    return taken;
  }
}
