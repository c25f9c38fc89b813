interface Entry<Item> {
  readonly atMs: number;
  readonly item: Item;
}

/** Items by the time when they want attention: a binary heap. Setting another time for an item leaves an entry behind that is skipped. */
export class DeadlineQueue<Item> {
  readonly #heap: Entry<Item>[] = [];
  readonly #current = new Map<Item, Entry<Item>>();

  /** The earliest time; infinite if there is none. */
  get nextMs(): number {
    this.#dropOutdated();
    return this.#heap[0]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  /** Gives an item its time, instead of any it had. Infinity takes it out. */
  set(item: Item, atMs: number): void {
    if (this.#current.get(item)?.atMs === atMs) return;
    if (atMs === Number.POSITIVE_INFINITY) {
      this.delete(item);
      return;
    }
    const entry = { atMs, item };
    this.#current.set(item, entry);
    this.#push(entry);
  }

  delete(item: Item): void {
    this.#current.delete(item);
  }

  /** Takes out the earliest item whose time has come; undefined if none has. */
  takeDue(nowMs: number): Item | undefined {
    this.#dropOutdated();
    const first = this.#heap[0];
    if (first === undefined || first.atMs > nowMs) return undefined;
    this.#pop();
    this.#current.delete(first.item);
    return first.item;
  }

  #dropOutdated(): void {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#current.get(first.item) === first) return;
      this.#pop();
    }
  }

  #push(entry: Entry<Item>): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt];
      if (parent === undefined || parent.atMs <= entry.atMs) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const leftAt = 2 * at + 1;
      const left = heap[leftAt];
      const right = heap[leftAt + 1];
      if (left === undefined) break;
      const isRight = right !== undefined && right.atMs < left.atMs;
      const child = isRight ? right : left;
      if (child.atMs >= last.atMs) break;
      heap[at] = child;
      at = isRight ? leftAt + 1 : leftAt;
    }
    heap[at] = last;
  }
}
