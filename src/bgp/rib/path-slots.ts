import { none, type PathRows } from "./path-rows.ts";

/**
 * A place in an Adj-RIB-Out as one number: the row of a prefix, or with ADD-PATH, as a negative number, one path of a prefix. The
 * same in all groups, so that members can move between them.
 */
export type Slot = number;

/** Whether the slot is one path among others of its prefix. */
export function isPathSlot(slot: Slot): boolean {
  return slot < 0;
}

interface Place {
  readonly prefix: number;
  readonly pathId: number;
  /** Its row now; none after its withdrawal. */
  path: number;
}

/**
 * Places of single paths among others of their prefix (RFC 7911). A place stays when the source replaces the path, and ends with its
 * withdrawal.
 *
 * Invariants: the path of a place has it in `paths.slotOf`; places without a path are in `#dead` and keep their number until `purge`,
 * since somebody may still have to be told of the withdrawal. A path identifier is never used again for another path of its prefix
 * while somebody may have heard of it.
 */
export class PathSlots {
  readonly #paths: PathRows;
  readonly #places: (Place | undefined)[] = [];
  readonly #free: number[] = [];
  #dead: number[] = [];
  /** The highest path identifier given to a path of a prefix. */
  readonly #lastIds = new Map<number, number>();

  constructor(paths: PathRows) {
    this.#paths = paths;
  }

  /** The place of a path of this prefix, a new one if it has none. */
  take(prefix: number, path: number): Slot {
    const known = this.#paths.slotOf(path);
    if (known !== none) return ~known;
    const pathId = (this.#lastIds.get(prefix) ?? 0) + 1;
    this.#lastIds.set(prefix, pathId);
    const index = this.#free.pop() ?? this.#places.length;
    this.#places[index] = { prefix, pathId, path };
    this.#paths.setSlot(path, index);
    return ~index;
  }

  /** The path `old` is replaced by `path`, or by none. */
  move(old: number, path: number): void {
    const index = this.#paths.slotOf(old);
    const place = index === none ? undefined : this.#places[index];
    if (place === undefined) return;
    place.path = path;
    this.#paths.setSlot(old, none);
    if (path !== none) this.#paths.setSlot(path, index);
    else this.#dead.push(index);
  }

  /** The row of the slot's prefix. */
  prefixOf(slot: Slot): number {
    return isPathSlot(slot) ? (this.#places[~slot]?.prefix ?? none) : slot;
  }

  /** Our path identifier (RFC 7911 §3); 0 where there is one path per prefix. */
  pathIdOf(slot: Slot): number {
    return isPathSlot(slot) ? (this.#places[~slot]?.pathId ?? 0) : 0;
  }

  /** What the source of a path slot says now; none after its withdrawal. */
  pathOf(slot: Slot): number {
    return this.#places[~slot]?.path ?? none;
  }

  /** Forgets places whose paths are gone. Only when nobody holds one for later. */
  purge(): void {
    for (const index of this.#dead) {
      this.#places[index] = undefined;
      this.#free.push(index);
    }
    this.#dead = [];
  }

  /** All rows of prefixes are given up. */
  clear(): void {
    this.#lastIds.clear();
  }

  /** The prefix's row is given up. */
  forget(prefix: number): void {
    this.#lastIds.delete(prefix);
  }
}
