import type { Clock, Timer } from "../../core/clock.ts";

interface Entry {
  dueMs: number;
  /** When the running clock timer fires: never after `dueMs`. */
  firesMs: number;
  timer: Timer;
}

/** Clock timers may fire this much early. */
const toleranceMs = 1;

/**
 * Timers by name. Moving one to a later time, which a hold timer does with every message, only writes down the new time:
 * the clock's timer fires at the old one and is set again for the rest.
 */
export class TimerTable<Name extends string> {
  readonly #clock: Clock;
  readonly #onExpired: (name: Name) => void;
  readonly #entries = new Map<Name, Entry>();

  constructor(clock: Clock, onExpired: (name: Name) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** Starts the timer, or moves it. */
  arm(name: Name, delayMs: number): void {
    const dueMs = this.#clock.monotonicMs() + delayMs;
    const entry = this.#entries.get(name);
    if (entry !== undefined && entry.firesMs <= dueMs) {
      entry.dueMs = dueMs;
      return;
    }
    entry?.timer.cancel();
    this.#entries.set(name, { dueMs, firesMs: dueMs, timer: this.#clock.setTimer(delayMs, () => this.#onFired(name)) });
  }

  cancel(name: Name): void {
    this.#entries.get(name)?.timer.cancel();
    this.#entries.delete(name);
  }

  cancelAll(): void {
    for (const { timer } of this.#entries.values()) timer.cancel();
    this.#entries.clear();
  }

  isArmed(name: Name): boolean {
    return this.#entries.has(name);
  }

  #onFired(name: Name): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    const restMs = entry.dueMs - this.#clock.monotonicMs();
    if (restMs > toleranceMs) {
      entry.firesMs = entry.dueMs;
      entry.timer = this.#clock.setTimer(restMs, () => this.#onFired(name));
      return;
    }
    this.#entries.delete(name);
    this.#onExpired(name);
  }
}
