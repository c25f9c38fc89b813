import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { noRow, type PrefixIndex } from "../net/prefix-index.ts";
import type { RouteShape } from "../netlink/types.ts";
import { RouteAlarms } from "./alarm.ts";
import { RetryQueue } from "./delay-queue.ts";
import { sameShape } from "./diff.ts";
import { EntryTable } from "./entry-table.ts";
import { describeFight, describePause, noteRepair } from "./repairs.ts";
import type { RouteState } from "./types.ts";

interface ProgressOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly index: PrefixIndex;
  /** These rows' time to be tried again has come. */
  readonly retry: (rows: readonly number[]) => void;
}

/** How far the kernel has followed what is desired: entries and their states, retries after refusals, pauses in fights. */
export class Progress {
  readonly entries: EntryTable;
  /** Refused by the kernel for want of a way: worth another try when links, addresses or routes change. */
  readonly refused = new Set<number>();
  readonly #clock: Clock;
  readonly #index: PrefixIndex;
  readonly #retries: RetryQueue;
  readonly #alarms: RouteAlarms;

  constructor({ clock, logger, index, retry }: ProgressOptions) {
    this.#clock = clock;
    this.#index = index;
    this.entries = new EntryTable(clock, index);
    this.#retries = new RetryQueue(clock, retry);
    this.#alarms = new RouteAlarms({
      clock,
      logger,
      isFought: (prefix) => this.entries.repairsOf(index.find(prefix)) !== undefined,
      isInConflict: (prefix) => {
        const row = index.find(prefix);
        return row !== noRow && this.entries.has(row) && this.entries.stateOf(row) === "conflict";
      },
    });
  }

  stop(): void {
    this.#retries.clear();
    this.#alarms.stop();
  }

  /** Another demand than before: past refusals and fights say nothing about it. */
  renew(row: number, reason: string): void {
    this.#forgetTrouble(row);
    this.setState(row, "pending", reason);
  }

  /** A write of what was there before is a repair; too many of them in a short time have to wait. */
  mayWrite(row: number, route: RouteShape): boolean {
    const { entries } = this;
    const present = entries.presentAt(row);
    let repairs = entries.repairsOf(row);
    if (present === undefined && repairs === undefined) return true;
    entries.setPresent(row, undefined);
    const isRepair = present !== undefined && sameShape(present, route);
    if (!isRepair && repairs === undefined) return true;
    const nowMs = this.#clock.monotonicMs();
    if (isRepair) {
      repairs = noteRepair(repairs, nowMs);
      entries.setRepairs(row, repairs);
      if (repairs.holdUntilMs > nowMs) {
        if (repairs.step === 1) this.#alarms.fight(this.#index.prefixOf(row), describeFight(repairs));
        this.setState(row, "pending", describePause(repairs, nowMs));
        this.#retries.add(row, repairs.step - 1);
      }
    }
    return (repairs?.holdUntilMs ?? nowMs) <= nowMs;
  }

  /** The kernel has the wanted route, in this form. */
  succeeded(row: number, present: RouteShape, state: RouteState, reason: string): void {
    this.entries.setPresent(row, present);
    if (this.entries.failuresOf(row) > 0) {
      this.entries.setFailures(row, 0);
      this.refused.delete(row);
      this.#retries.cancel(row);
    }
    this.setState(row, state, reason);
  }

  /** The kernel has refused a step; it is tried again after a delay that grows with the number of refusals. */
  failed(row: number, state: RouteState, reason: string): void {
    if (!this.entries.has(row)) return;
    const failures = this.entries.failuresOf(row);
    this.#retries.add(row, failures);
    this.entries.setFailures(row, failures + 1);
    this.setState(row, state, reason);
  }

  forget(row: number): void {
    this.#forgetTrouble(row);
    this.entries.delete(row);
  }

  /** Who waits for a retry has been refused or has had to be repaired. */
  #forgetTrouble(row: number): void {
    if (this.entries.failuresOf(row) === 0 && this.entries.repairsOf(row) === undefined) return;
    this.entries.setFailures(row, 0);
    this.entries.setRepairs(row, undefined);
    this.refused.delete(row);
    this.#retries.cancel(row);
  }

  setState(row: number, state: RouteState, reason: string): void {
    if (state === "conflict" && this.entries.stateOf(row) !== "conflict")
      this.#alarms.conflict(this.#index.prefixOf(row), reason);
    this.entries.setState(row, state, reason);
  }
}
