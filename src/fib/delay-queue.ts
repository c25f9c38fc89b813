import type { Clock, Timer } from "../core/clock.ts";

/** Rows handed back between two turns of the event loop. */
const handBackLimit = 4096;

/**
 * Hands rows back after a fixed delay, in the order in which they came; one timer for any number of them. A row that waits
 * already keeps its time.
 */
export class DelayQueue {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #fire: (prefixes: readonly number[]) => void;
  readonly #dueMs = new Map<number, number>();
  /** In the order of their time, which is that of arrival; cancelled ones are skipped when their time comes. */
  #waiting: { readonly row: number; readonly dueMs: number }[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, delayMs: number, fire: (prefixes: readonly number[]) => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#fire = fire;
  }

  get size(): number {
    return this.#dueMs.size;
  }

  add(row: number): void {
    if (this.#dueMs.has(row)) return;
    const dueMs = this.#clock.monotonicMs() + this.#delayMs;
    this.#dueMs.set(row, dueMs);
    this.#waiting.push({ row, dueMs });
    this.#timer ??= this.#clock.setTimer(this.#delayMs, () => this.#expire());
  }

  cancel(row: number): void {
    if (this.#dueMs.size > 0) this.#dueMs.delete(row);
  }

  clear(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#dueMs.clear();
    this.#waiting = [];
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    const candidates = this.#waiting.slice(0, handBackLimit);
    const firstLater = candidates.findIndex(({ dueMs }) => dueMs > nowMs);
    const expired = this.#waiting.splice(0, firstLater < 0 ? candidates.length : firstLater);
    const due: number[] = [];
    for (const { row, dueMs } of expired) {
      if (this.#dueMs.get(row) !== dueMs) continue;
      this.#dueMs.delete(row);
      due.push(row);
    }
    const [next] = this.#waiting;
    if (next !== undefined) this.#timer = this.#clock.setTimer(Math.max(0, next.dueMs - nowMs), () => this.#expire());
    if (due.length > 0) this.#fire(due);
  }
}

/** Delays of the retry steps in milliseconds: doubling from one second to about a minute. */
const retryDelaysMs: readonly number[] = [1000, 2000, 4000, 8000, 16_000, 32_000, 64_000];

/** How long the `step`-th retry (from 0) waits, in milliseconds. */
export function retryDelayMs(step: number): number {
  return retryDelaysMs[Math.min(step, retryDelaysMs.length - 1)] ?? 0;
}

/** Hands prefixes back after a delay that grows with the number of failures; a row waits in one step at a time. */
export class RetryQueue {
  readonly #steps: readonly DelayQueue[];

  constructor(clock: Clock, fire: (prefixes: readonly number[]) => void) {
    this.#steps = retryDelaysMs.map((delayMs) => new DelayQueue(clock, delayMs, fire));
  }

  /** `step` counts from 0; see `retryDelayMs`. */
  add(row: number, step: number): void {
    this.cancel(row);
    this.#steps[Math.min(step, this.#steps.length - 1)]?.add(row);
  }

  cancel(row: number): void {
    for (const queue of this.#steps) queue.cancel(row);
  }

  clear(): void {
    for (const queue of this.#steps) queue.clear();
  }
}
