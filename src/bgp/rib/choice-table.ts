import { copiedInto, grownCapacity } from "./columns.ts";
import { none, PathFlag, type PathRows } from "./path-rows.ts";
import { type RowDecision, undecided } from "./row-decision.ts";
import { RowQueue } from "./row-queue.ts";

/** What one `settle` has done, as rows of prefixes; good until the next. */
export interface Settled {
  /** Those whose choice changed, or the staleness of a chosen path. */
  readonly changed: Int32Array;
  /** All that something was said about. */
  readonly touched: Int32Array;
}

/** Bits of a prefix. */
const Mark = {
  /** In the queue of `settle`. */
  dirty: 1,
  /** A chosen path has become stale or fresh, or must be told again, since the last `settle`. */
  restated: 2,
  /** Has had no path, and is in the queue of `purge`. */
  empty: 4,
  /** `#lists` has its chosen paths, since they are several. */
  several: 8,
  /** `#lists` has the paths that would be chosen if their next hops could be reached. */
  unresolved: 16,
} as const;

const nothing: readonly number[] = [];

/**
 * Per prefix its paths, which of them are chosen, and what has to be chosen anew.
 *
 * Invariants: `#firsts` is the head of the prefix's list through `paths.next`, `#bests` the best path, both plus 1, and 0 without one;
 * `#occupied` is how many prefixes have a path. Exactly the paths of the choice (or of what is unresolved) have the flag `chosen`. A path that is taken out of the list while it has
 * that flag gets the flag `gone`, keeps its row, and is freed when the prefix has been settled; a prefix with such a path is dirty.
 * A dirty prefix is once in `#dirty`, one without paths once in `#empty`.
 */
export class ChoiceTable {
  readonly #paths: PathRows;
  readonly #decision: RowDecision;
  readonly #free: (path: number) => void;
  #firsts = new Int32Array(0);
  #bests = new Int32Array(0);
  #marks = new Uint8Array(0);
  readonly #lists = new Map<number, readonly number[]>();
  readonly #dirty = new RowQueue();
  readonly #empty = new RowQueue();
  #occupied = 0;
  /** What `Settled` has views of. */
  #changed = new Int32Array(0);
  #touched = new Int32Array(0);

  /** `free` takes rows of paths that are not chosen any more and in no list. */
  constructor(paths: PathRows, decision: RowDecision, free: (path: number) => void) {
    this.#paths = paths;
    this.#decision = decision;
    this.#free = free;
  }

  /** Makes room for a prefix. */
  extend(prefix: number): void {
    const { length } = this.#firsts;
    if (prefix < length) return;
    const capacity = grownCapacity(length, prefix);
    this.#firsts = copiedInto(new Int32Array(capacity), this.#firsts);
    this.#bests = copiedInto(new Int32Array(capacity), this.#bests);
    this.#marks = copiedInto(new Uint8Array(capacity), this.#marks);
  }

  /** The oldest path of a prefix; the others follow through `paths.next`. */
  firstOf(prefix: number): number {
    return (this.#firsts[prefix] ?? 0) - 1;
  }

  /** The best path of a prefix, none without a choice. */
  bestOf(prefix: number): number {
    return (this.#bests[prefix] ?? 0) - 1;
  }

  /** The choice, best first. */
  selectedOf(prefix: number): readonly number[] {
    const best = this.bestOf(prefix);
    if (best === none) return nothing;
    return this.#has(prefix, Mark.several) ? (this.#lists.get(prefix) ?? nothing) : [best];
  }

  /** True if more than one path is chosen. */
  hasSeveral(prefix: number): boolean {
    return this.#has(prefix, Mark.several);
  }

  /** Without a choice: the paths that would be it if their next hops could be reached. */
  unresolvedOf(prefix: number): readonly number[] {
    return this.#has(prefix, Mark.unresolved) ? (this.#lists.get(prefix) ?? nothing) : nothing;
  }

  /** Accepted paths whose next hops can be reached. */
  usable(prefix: number): number[] {
    return this.#candidates(prefix, true);
  }

  /** Puts a path at the end of its prefix's list. */
  append(prefix: number, path: number): void {
    const { next } = this.#paths;
    let last = this.firstOf(prefix);
    if (last !== none) for (let after = next[last] ?? none; after !== none; after = next[last] ?? none) last = after;
    this.appendBehind(prefix, last, path);
  }

  /** As `append`, where `last` is known to be the last path of the list, none of an empty one. */
  appendBehind(prefix: number, last: number, path: number): void {
    if (last !== none) this.#paths.next[last] = path;
    else {
      this.#firsts[prefix] = path + 1;
      this.#occupied++;
    }
  }

  /** Takes a path out of its prefix's list. */
  unlink(prefix: number, path: number): void {
    const { next } = this.#paths;
    let before = none;
    for (let other = this.firstOf(prefix); other !== path; other = next[other] ?? none) before = other;
    this.unlinkBehind(prefix, before, path);
  }

  /** As `unlink`, where `before` is known to be the path before it, none if it is the first. */
  unlinkBehind(prefix: number, before: number, path: number): void {
    const { next } = this.#paths;
    const after = next[path] ?? none;
    next[path] = none;
    if (before !== none) next[before] = after;
    else this.#firsts[prefix] = after + 1;
    if (this.firstOf(prefix) !== none) return;
    this.#occupied--;
    if (this.#has(prefix, Mark.empty)) return;
    this.#set(prefix, Mark.empty);
    this.#empty.push(prefix);
  }

  /** Something about the prefix's paths changed. */
  mark(prefix: number): void {
    if (this.#has(prefix, Mark.dirty)) return;
    this.#set(prefix, Mark.dirty);
    this.#dirty.push(prefix);
  }

  /** As `mark`, and the choice is told again even if it stays the same. */
  restate(prefix: number): void {
    this.#set(prefix, Mark.restated);
    this.mark(prefix);
  }

  get pending(): boolean {
    return this.#dirty.size > 0;
  }

  settle(limit: number): Settled {
    const count = Math.min(limit, this.#dirty.size);
    if (count > this.#touched.length) {
      this.#touched = new Int32Array(count);
      this.#changed = new Int32Array(count);
    }
    const touched = this.#touched;
    const changed = this.#changed;
    let changes = 0;
    for (let index = 0; index < count; index++) {
      const prefix = this.#dirty.shift();
      touched[index] = prefix;
      const marks = this.#marks[prefix] ?? 0;
      this.#marks[prefix] = marks & ~(Mark.dirty | Mark.restated);
      if (this.#chooseFor(prefix) || (marks & Mark.restated) !== 0) changed[changes++] = prefix;
    }
    return { changed: changed.subarray(0, changes), touched: touched.subarray(0, count) };
  }

  /** True if no prefix has a path, and some are waiting for `purge`. */
  get isDeserted(): boolean {
    return this.#occupied === 0 && this.#empty.size > 0;
  }

  /** Forgets prefixes, all of them below `end`, of which none has a path. Only when nothing is pending. */
  clear(end: number): void {
    this.#empty.clear();
    this.#marks.fill(0, 0, end);
  }

  /**
   * Calls `forget` with prefixes that have no path, up to `limit`; their rows may then be given to other prefixes. True if more are
   * waiting. Only when nothing is pending.
   */
  purge(limit: number, forget: (prefix: number) => void): boolean {
    const count = Math.min(limit, this.#empty.size);
    for (let index = 0; index < count; index++) {
      const prefix = this.#empty.shift();
      this.#marks[prefix] = (this.#marks[prefix] ?? 0) & ~Mark.empty;
      if (this.firstOf(prefix) === none) forget(prefix);
    }
    return this.#empty.size > 0;
  }

  /** True if the choice is another one than before. */
  #chooseFor(prefix: number): boolean {
    const first = this.firstOf(prefix);
    const best = this.bestOf(prefix);
    const isPlain = !this.#has(prefix, Mark.several) && !this.#has(prefix, Mark.unresolved);
    if (!isPlain) return this.#chooseAmong(prefix);
    // Nearly always: one path or none, before and after.
    const chosen = first === none ? none : this.#decision.chooseOne(first);
    if (chosen === undecided || (chosen === none && first !== none)) return this.#chooseAmong(prefix);
    if (best === chosen) return false;
    this.#bests[prefix] = chosen + 1;
    if (best !== none) this.#unchoose(best);
    if (chosen !== none) this.#paths.set(chosen, PathFlag.chosen);
    return true;
  }

  #chooseAmong(prefix: number): boolean {
    const selected = this.#decision.choose(this.#candidates(prefix, true));
    const unresolved = selected.length > 0 ? nothing : this.#decision.choose(this.#candidates(prefix, false));
    const oldSelected = this.selectedOf(prefix);
    const oldUnresolved = this.unresolvedOf(prefix);
    if (listsEqual(selected, oldSelected) && listsEqual(unresolved, oldUnresolved)) return false;
    this.#marks[prefix] = (this.#marks[prefix] ?? 0) & ~(Mark.several | Mark.unresolved);
    this.#lists.delete(prefix);
    if (selected.length > 1) {
      this.#set(prefix, Mark.several);
      this.#lists.set(prefix, selected);
    } else if (unresolved.length > 0) {
      this.#set(prefix, Mark.unresolved);
      this.#lists.set(prefix, unresolved);
    }
    this.#bests[prefix] = (selected[0] ?? none) + 1;
    for (const row of selected) this.#paths.set(row, PathFlag.chosen);
    for (const row of unresolved) this.#paths.set(row, PathFlag.chosen);
    for (const row of oldSelected) if (!selected.includes(row) && !unresolved.includes(row)) this.#unchoose(row);
    for (const row of oldUnresolved) if (!selected.includes(row) && !unresolved.includes(row)) this.#unchoose(row);
    return true;
  }

  #unchoose(path: number): void {
    if (this.#paths.has(path, PathFlag.gone)) this.#free(path);
    else this.#paths.clear(path, PathFlag.chosen);
  }

  #candidates(prefix: number, reachable: boolean): number[] {
    const rows: number[] = [];
    for (let row = this.firstOf(prefix); row !== none; row = this.#paths.next[row] ?? none)
      if (reachable ? this.#decision.isUsable(row) : !this.#paths.has(row, PathFlag.refused)) rows.push(row);
    return rows;
  }

  #has(prefix: number, mark: number): boolean {
    return ((this.#marks[prefix] ?? 0) & mark) !== 0;
  }

  #set(prefix: number, mark: number): void {
    this.#marks[prefix] = (this.#marks[prefix] ?? 0) | mark;
  }
}

function listsEqual(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((row, index) => row === right[index]);
}
