import type { Clock } from "../core/clock.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { PrefixSet } from "../net/prefix-map.ts";
import { PrefixTrie } from "../net/prefix-trie.ts";
import type { KernelRoute } from "../netlink/types.ts";
import type { RepairRecord } from "./repairs.ts";
import type { DesiredRoute, RouteState } from "./types.ts";

/** What is known of one prefix that is desired, kept from before a restart, or being removed. */
export interface Entry {
  /** Undefined for a route from before the restart and for one that is being removed. */
  desired: DesiredRoute | undefined;
  readonly state: RouteState;
  readonly reason: string;
  /** Unix milliseconds. */
  readonly sinceMs: number;
  /** Refusals of the kernel in a row. */
  failures: number;
  /** The wanted route as the kernel was last seen to have it; a write of the same again is a repair. */
  present?: KernelRoute;
  readonly repairs?: RepairRecord;
}

interface MutableEntry extends Entry {
  state: RouteState;
  reason: string;
  sinceMs: number;
  repairs?: RepairRecord;
  /** It is among the changes that have yet to be taken. */
  isChanged: boolean;
  isGone: boolean;
}

/** An entry that changed, or undefined for one that went. */
export type EntryChange = readonly [Prefix, Entry | undefined];

/** The entries by prefix, how many there are of each state, counted as they change, and which have changed lately. */
export class EntryTable {
  readonly #clock: Clock;
  readonly #entries = new PrefixTrie<MutableEntry>();
  readonly #counts: Record<RouteState, number> = {
    installed: 0,
    pending: 0,
    conflict: 0,
    stale: 0,
    unresolved: 0,
    filtered: 0,
  };
  readonly #conflicts = new PrefixSet();
  readonly #repaired = new PrefixSet();
  #changed: [Prefix, MutableEntry][] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get counts(): Readonly<Record<RouteState, number>> {
    return this.#counts;
  }

  /** Prefixes in the state `conflict`. */
  get conflicts(): Iterable<Prefix> {
    return this.#conflicts;
  }

  /** Prefixes whose routes had to be repaired, lately or long ago. */
  get repaired(): Iterable<Prefix> {
    return this.#repaired;
  }

  get(prefix: Prefix): Entry | undefined {
    return this.#entries.get(prefix);
  }

  entries(): IterableIterator<[Prefix, Entry]> {
    return this.#entries.entries();
  }

  longestMatch(address: IpAddress): [Prefix, Entry] | undefined {
    return this.#entries.longestMatch(address);
  }

  /** Makes the entry of a prefix that has none, as `pending`. */
  add(prefix: Prefix, desired: DesiredRoute | undefined): void {
    const sinceMs = this.#clock.wallMs();
    const beginning = { state: "pending", reason: "waiting to be written", sinceMs, failures: 0 } as const;
    this.#entries.set(prefix, { desired, ...beginning, isChanged: false, isGone: false });
    this.#counts.pending++;
  }

  delete(prefix: Prefix): void {
    const entry = this.#entries.get(prefix);
    if (entry === undefined) return;
    this.#counts[entry.state]--;
    this.#conflicts.delete(prefix);
    this.#repaired.delete(prefix);
    this.#entries.delete(prefix);
    entry.isGone = true;
    this.#noteChange(prefix, entry);
  }

  /** What is desired has changed. */
  touch(prefix: Prefix): void {
    const entry = this.#entries.get(prefix);
    if (entry !== undefined) this.#noteChange(prefix, entry);
  }

  /** The changes since the last call. Of one prefix the last counts: it may have gone and come again. */
  takeChanges(): EntryChange[] {
    const changed = this.#changed;
    this.#changed = [];
    return changed.map(([prefix, entry]) => {
      entry.isChanged = false;
      return [prefix, entry.isGone ? undefined : entry];
    });
  }

  setState(prefix: Prefix, state: RouteState, reason: string): void {
    const entry = this.#entries.get(prefix);
    if (entry === undefined || (entry.state === state && entry.reason === reason)) return;
    if (entry.state !== state) {
      entry.sinceMs = this.#clock.wallMs();
      this.#counts[entry.state]--;
      this.#counts[state]++;
      if (state === "conflict") this.#conflicts.add(prefix);
      else this.#conflicts.delete(prefix);
    }
    entry.state = state;
    entry.reason = reason;
    this.#noteChange(prefix, entry);
  }

  /** Undefined: nobody has undone the route. */
  setRepairs(prefix: Prefix, repairs: RepairRecord | undefined): void {
    const entry = this.#entries.get(prefix);
    if (entry === undefined) return;
    if (repairs === undefined) {
      delete entry.repairs;
      this.#repaired.delete(prefix);
    } else {
      entry.repairs = repairs;
      this.#repaired.add(prefix);
    }
  }

  #noteChange(prefix: Prefix, entry: MutableEntry): void {
    if (entry.isChanged) return;
    entry.isChanged = true;
    this.#changed.push([prefix, entry]);
  }
}
