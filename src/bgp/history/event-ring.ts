/** The last `capacity` items; older ones are forgotten. Adding costs the same whatever has been before. */
export class EventRing<Item> {
  readonly #capacity: number;
  readonly #items: Item[] = [];
  /** Where the next item goes once the ring is full. */
  #next = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  add(item: Item): void {
    if (this.#capacity === 0) return;
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#capacity;
  }

  /** Oldest first. */
  *[Symbol.iterator](): IterableIterator<Item> {
    const start = this.#items.length < this.#capacity ? 0 : this.#next;
    for (let offset = 0; offset < this.#items.length; offset++) {
      const item = this.#items[(start + offset) % this.#items.length];
      if (item !== undefined) yield item;
    }
  }
}
