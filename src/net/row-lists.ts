import { enlarged } from "./prefix-index.ts";

const none = -1;
const FIRST_CAPACITY = 64;

/**
 * Lists of rows (see `PrefixIndex`), each row in at most one of them: who uses what, without a set for each. Adding and removing
 * cost a few words, whatever the length of the list.
 *
 * Invariants: `#next` and `#previous` link the rows of a list; `#lists` says which list a row is in, plus 1, and 0 for none.
 */
export class RowLists {
  #next = new Int32Array(FIRST_CAPACITY);
  #previous = new Int32Array(FIRST_CAPACITY);
  #lists = new Uint32Array(FIRST_CAPACITY);
  /** First row and number of rows of each list. */
  readonly #heads: number[] = [];
  readonly #counts: number[] = [];
  readonly #unused: number[] = [];

  /** Makes a list. */
  open(): number {
    const list = this.#unused.pop() ?? this.#heads.length;
    this.#heads[list] = none;
    this.#counts[list] = 0;
    return list;
  }

  /** Ends a list that has become empty; its number will be that of another one. */
  close(list: number): void {
    this.#unused.push(list);
  }

  count(list: number): number {
    return this.#counts[list] ?? 0;
  }

  /** Puts a row into a list, out of the one that it was in. */
  add(list: number, row: number): void {
    if (row >= this.#next.length) this.#grow(row + 1);
    this.remove(row);
    const head = this.#heads[list] ?? none;
    this.#next[row] = head;
    this.#previous[row] = none;
    if (head !== none) this.#previous[head] = row;
    this.#heads[list] = row;
    this.#counts[list] = this.count(list) + 1;
    this.#lists[row] = list + 1;
  }

  /** Takes a row out of the list that it is in, if any. */
  remove(row: number): void {
    const list = (this.#lists[row] ?? 0) - 1;
    if (list < 0) return;
    const next = this.#next[row] ?? none;
    const previous = this.#previous[row] ?? none;
    if (next !== none) this.#previous[next] = previous;
    if (previous === none) this.#heads[list] = next;
    else this.#next[previous] = next;
    this.#counts[list] = this.count(list) - 1;
    this.#lists[row] = 0;
  }

  /** The rows of a list as they are now. */
  rows(list: number): number[] {
    const rows: number[] = [];
    for (let row = this.#heads[list] ?? none; row !== none; row = this.#next[row] ?? none) rows.push(row);
    return rows;
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, this.#next.length * 2);
    this.#next = enlarged(this.#next, capacity);
    this.#previous = enlarged(this.#previous, capacity);
    this.#lists = enlarged(this.#lists, capacity);
  }
}
