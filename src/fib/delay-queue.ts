import type { Clock, Timer } from "../core/clock.ts";
import type { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";

/** Prefixes handed back between two turns of the event loop. */
const handBackLimit = 4096;

/**
 * Hands prefixes back after a fixed delay, in the order in which they came; one timer for any number of them. A prefix
 * that waits already keeps its time.
 */
export class DelayQueue {
  readonly #clock: Clock;
  readonly #delayMs: number;
  readonly #fire: (prefixes: readonly Prefix[]) => void;
  readonly #dueMs = new PrefixMap<number>();
  /** In the order of their time, which is that of arrival; cancelled ones are skipped when their time comes. */
  #waiting: { readonly prefix: Prefix; readonly dueMs: number }[] = [];
  #timer: Timer | undefined;

  constructor(clock: Clock, delayMs: number, fire: (prefixes: readonly Prefix[]) => void) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#fire = fire;
  }

  get size(): number {
    return this.#dueMs.size;
  }

  add(prefix: Prefix): void {
    if (this.#dueMs.has(prefix)) return;
    const dueMs = this.#clock.monotonicMs() + this.#delayMs;
    this.#dueMs.set(prefix, dueMs);
    this.#waiting.push({ prefix, dueMs });
    this.#timer ??= this.#clock.setTimer(this.#delayMs, () => this.#expire());
  }

  cancel(prefix: Prefix): void {
    this.#dueMs.delete(prefix);
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
    const due: Prefix[] = [];
    for (const { prefix, dueMs } of expired) {
      if (this.#dueMs.get(prefix) !== dueMs) continue;
      this.#dueMs.delete(prefix);
      due.push(prefix);
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

/** Hands prefixes back after a delay that grows with the number of failures; a prefix waits in one step at a time. */
export class RetryQueue {
  readonly #steps: readonly DelayQueue[];

  constructor(clock: Clock, fire: (prefixes: readonly Prefix[]) => void) {
    this.#steps = retryDelaysMs.map((delayMs) => new DelayQueue(clock, delayMs, fire));
  }

  /** `step` counts from 0; see `retryDelayMs`. */
  add(prefix: Prefix, step: number): void {
    this.cancel(prefix);
    this.#steps[Math.min(step, this.#steps.length - 1)]?.add(prefix);
  }

  cancel(prefix: Prefix): void {
    for (const queue of this.#steps) queue.cancel(prefix);
  }

  clear(): void {
    for (const queue of this.#steps) queue.clear();
  }
}
