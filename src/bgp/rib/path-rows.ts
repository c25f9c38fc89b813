import { copiedInto, grownCapacity } from "./columns.ts";

/** Bits of `PathRows.flags`. */
export const PathFlag = {
  /** Kept over a peer's graceful restart. */
  stale: 1,
  /** The peer announces this family again (RFC 7313), and has not come to this route. */
  awaitsRefresh: 2,
  /** Part of its prefix's choice (or would be, if its next hop could be reached) since the last `settle`. */
  chosen: 4,
  /** Replaced or withdrawn while chosen: it is not among its prefix's paths any more, and is freed by the next `settle`. */
  gone: 8,
  /** Loop checks or policy keep it out of the choice. */
  refused: 16,
} as const;

const freeTable = 0xffff;
/** The highest number of a source. */
export const largestTable = freeTable - 1;
/** No path, no next hop, no slot. */
export const none = -1;

/**
 * Received and originated paths as rows of numbers. All but `flags` and `slots` is fixed from `add` to `remove`: a change of the
 * route is a new row, so that the number of a row tells whether one changed.
 *
 * Invariants: the rows of a prefix are a list through `next`, oldest first; unused rows are a list of their own, and their table
 * is `freeTable`. `ids` has path identifiers and `slots` places in Adj-RIBs-Out; both are empty until somebody has one.
 */
export class PathRows {
  next = new Int32Array(0);
  prefixes = new Int32Array(0);
  /** Attributes as they came, and as the import policy left them. */
  received = new Int32Array(0);
  accepted = new Int32Array(0);
  nextHops = new Int32Array(0);
  tables = new Uint16Array(0);
  flags = new Uint8Array(0);
  #ids = new Uint32Array(0);
  #slots = new Int32Array(0);
  #used = 0;
  #firstFree = none;

  /** Rows in use are below this. */
  get end(): number {
    return this.#used;
  }

  isUsed(row: number): boolean {
    return this.tables[row] !== freeTable;
  }

  /** A row of which `next` is none and the flags are 0; the caller fills the rest. */
  add(): number {
    const row = this.#firstFree === none ? this.#used++ : this.#firstFree;
    if (row === this.#firstFree) this.#firstFree = this.next[row] ?? none;
    if (row >= this.next.length) this.#grow(row);
    this.next[row] = none;
    this.flags[row] = 0;
    if (row < this.#ids.length) this.#ids[row] = 0;
    if (row < this.#slots.length) this.#slots[row] = none;
    return row;
  }

  remove(row: number): void {
    this.tables[row] = freeTable;
    this.next[row] = this.#firstFree;
    this.#firstFree = row;
  }

  /** Removes all rows. */
  removeAll(): void {
    this.#used = 0;
    this.#firstFree = none;
  }

  has(row: number, flag: number): boolean {
    return ((this.flags[row] ?? 0) & flag) !== 0;
  }

  set(row: number, flag: number): void {
    this.flags[row] = (this.flags[row] ?? 0) | flag;
  }

  clear(row: number, flag: number): void {
    this.flags[row] = (this.flags[row] ?? 0) & ~flag;
  }

  idOf(row: number): number {
    return this.#ids[row] ?? 0;
  }

  setId(row: number, pathId: number): void {
    if (pathId !== 0 && row >= this.#ids.length) this.#ids = copiedInto(new Uint32Array(this.next.length), this.#ids);
    if (row < this.#ids.length) this.#ids[row] = pathId;
  }

  /** The place of the path among those that are announced side by side. */
  slotOf(row: number): number {
    return this.#slots[row] ?? none;
  }

  setSlot(row: number, slot: number): void {
    if (slot !== none && row >= this.#slots.length)
      this.#slots = copiedInto(new Int32Array(this.next.length).fill(none), this.#slots);
    if (row < this.#slots.length) this.#slots[row] = slot;
  }

  #grow(row: number): void {
    const capacity = grownCapacity(this.next.length, row);
    this.next = copiedInto(new Int32Array(capacity), this.next);
    this.prefixes = copiedInto(new Int32Array(capacity), this.prefixes);
    this.received = copiedInto(new Int32Array(capacity), this.received);
    this.accepted = copiedInto(new Int32Array(capacity), this.accepted);
    this.nextHops = copiedInto(new Int32Array(capacity), this.nextHops);
    this.tables = copiedInto(new Uint16Array(capacity), this.tables);
    this.flags = copiedInto(new Uint8Array(capacity), this.flags);
  }
}
