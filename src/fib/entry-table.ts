import type { Clock } from "../core/clock.ts";
import { enlarged, type PrefixIndex, putAt } from "../net/prefix-index.ts";
import type { RouteShape } from "../netlink/types.ts";
import { holder } from "./holders.ts";
import type { RepairRecord } from "./repairs.ts";
import type { RouteState } from "./types.ts";

const states: readonly RouteState[] = ["pending", "installed", "conflict", "stale", "unresolved", "filtered"];
const pending = states.indexOf("pending");

/**
 * How things stand with each row that is desired, kept from before a restart, or being removed; how many there are of each
 * state, counted as they change; and which have changed lately.
 */
export class EntryTable {
  readonly #clock: Clock;
  readonly #index: PrefixIndex;
  #states = new Uint8Array(0);
  /** Unix milliseconds. */
  #since = new Float64Array(0);
  /** Refusals of the kernel in a row. */
  #failures = new Uint8Array(0);
  readonly #reasons: string[] = [];
  readonly #present: (RouteShape | undefined)[] = [];
  readonly #counts: Record<RouteState, number> = {
    installed: 0,
    pending: 0,
    conflict: 0,
    stale: 0,
    unresolved: 0,
    filtered: 0,
  };
  readonly #conflicts = new Set<number>();
  readonly #repairs = new Map<number, RepairRecord>();
  #changed: number[] = [];
  #nowMs: number | undefined;

  constructor(clock: Clock, index: PrefixIndex) {
    this.#clock = clock;
    this.#index = index;
  }

  get counts(): Readonly<Record<RouteState, number>> {
    return this.#counts;
  }

  /** Rows in the state `conflict`. */
  get conflicts(): Iterable<number> {
    return this.#conflicts;
  }

  /** Rows whose routes had to be repaired, lately or long ago. */
  get repaired(): Iterable<number> {
    return this.#repairs.keys();
  }

  has(row: number): boolean {
    return this.#index.isHeld(row, holder.entry);
  }

  /** All entries, ascending by prefix. */
  rows(): number[] {
    return this.#index.sortedRows(holder.entry);
  }

  stateOf(row: number): RouteState {
    return states[this.#states[row] ?? pending] ?? "pending";
  }

  reasonOf(row: number): string {
    return this.#reasons[row] ?? "";
  }

  /** Unix milliseconds of the last change of the state. */
  sinceOf(row: number): number {
    return this.#since[row] ?? 0;
  }

  /** Makes the entry of a row that has none, as `pending`. */
  add(row: number): void {
    if (row >= this.#states.length) this.#grow();
    this.#index.holdRow(row, holder.entry);
    this.#states[row] = pending;
    this.#since[row] = this.#now();
    this.#failures[row] = 0;
    putAt(this.#reasons, row, "waiting to be written", "");
    putAt(this.#present, row, undefined, undefined);
    this.#counts.pending++;
  }

  delete(row: number): void {
    if (!this.has(row)) return;
    this.#counts[this.stateOf(row)]--;
    this.#conflicts.delete(row);
    this.#repairs.delete(row);
    this.#present[row] = undefined;
    this.touch(row);
    this.#index.release(row, holder.entry);
  }

  /** The entry is another than before. */
  touch(row: number): void {
    if (this.#index.isHeld(row, holder.change)) return;
    this.#index.holdRow(row, holder.change);
    this.#changed.push(row);
  }

  /** The rows that changed since the last call; to be given back with `changesTold`, so that they keep their prefixes. */
  takeChanges(): readonly number[] {
    const changed = this.#changed;
    this.#changed = [];
    return changed;
  }

  changesTold(rows: readonly number[]): void {
    for (const row of rows) this.#index.release(row, holder.change);
  }

  setState(row: number, state: RouteState, reason: string): void {
    const before = this.stateOf(row);
    if (before === state && this.#reasons[row] === reason) return;
    if (before !== state) {
      this.#since[row] = this.#now();
      this.#counts[before]--;
      this.#counts[state]++;
      this.#states[row] = states.indexOf(state);
      if (state === "conflict") this.#conflicts.add(row);
      else if (before === "conflict") this.#conflicts.delete(row);
    }
    this.#reasons[row] = reason;
    this.touch(row);
  }

  /** The wanted route as the kernel was last seen to have it; a write of the same again is a repair. */
  presentAt(row: number): RouteShape | undefined {
    return this.#present[row];
  }

  setPresent(row: number, shape: RouteShape | undefined): void {
    this.#present[row] = shape;
  }

  failuresOf(row: number): number {
    return this.#failures[row] ?? 0;
  }

  /** Counts as far as it matters. */
  setFailures(row: number, failures: number): void {
    this.#failures[row] = Math.min(failures, 255);
  }

  repairsOf(row: number): RepairRecord | undefined {
    return this.#repairs.get(row);
  }

  /** Undefined: nobody has undone the route. */
  setRepairs(row: number, repairs: RepairRecord | undefined): void {
    if (repairs !== undefined) this.#repairs.set(row, repairs);
    else if (this.#repairs.size > 0) this.#repairs.delete(row);
  }

  /** The same for all that changes at one go: asking costs as much as all the rest. */
  #now(): number {
    if (this.#nowMs === undefined) {
      this.#nowMs = this.#clock.wallMs();
      queueMicrotask(() => {
        this.#nowMs = undefined;
      });
    }
    return this.#nowMs;
  }

  #grow(): void {
    const { capacity } = this.#index;
    this.#states = enlarged(this.#states, capacity);
    this.#since = enlarged(this.#since, capacity);
    this.#failures = enlarged(this.#failures, capacity);
  }
}
