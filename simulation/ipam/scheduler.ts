import type { Clock, Timer } from "../../src/core/clock.ts";

/** What waits for its turn. */
interface Waiting {
  readonly who: number;
  readonly go: () => void;
}

interface VirtualTimer {
  readonly dueMs: number;
  readonly fire: () => void;
}

/** More than any history needs; what is still running then does not come to an end. */
const MAX_STEPS = 100_000;
const STEP_MS = 1;

/**
 * Runs concurrent code one step at a time. Whatever asks for a `turn` waits until the script chooses it; between two
 * choices everybody runs until nobody can go on without a turn, a timer or an answer from outside. The same script gives
 * the same run. A step takes a millisecond of the virtual clock; if all wait for timers, the next timer is due at once.
 */
export class Scheduler {
  readonly clock: Clock;
  readonly #script: readonly number[];
  readonly #waiting: Waiting[] = [];
  readonly #timers = new Set<VirtualTimer>();
  #nowMs: number;
  #steps = 0;
  #last = -1;
  /** Calls that somebody else answers: they must end before the next step. */
  #outside: Promise<unknown> | undefined;

  /**
   * `script[n]` says who does step n, over and over again: 0 is who did the last one, if possible; n is the n-th of those
   * who wait, counted round and round in the order in which they came.
   */
  constructor(script: readonly number[], startMs: number) {
    this.#script = script;
    this.#nowMs = startMs;
    this.clock = {
      monotonicMs: () => this.#nowMs,
      wallMs: () => this.#nowMs,
      setTimer: (delayMs, fire) => this.#setTimer(delayMs, fire),
    };
  }

  get steps(): number {
    return this.#steps;
  }

  /** Resolves when it is `who`'s turn. */
  turn(who: number): Promise<void> {
    return new Promise((go) => this.#waiting.push({ who, go }));
  }

  /** Resolves after so much virtual time. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#setTimer(ms, resolve));
  }

  /** A call that something outside of this process answers, in a turn of the caller's. */
  outside<T>(call: Promise<T>): Promise<T> {
    this.#outside = call.catch(() => undefined);
    return call;
  }

  /** Runs until `work` is done. Throws what it throws, and an error if it can't come to an end. */
  async run<T>(work: Promise<T>): Promise<T> {
    let ended = false;
    const end = () => {
      ended = true;
    };
    work.then(end, end);
    for (;;) {
      await this.#settled();
      if (ended) return work;
      if (++this.#steps > MAX_STEPS) throw new Error(`no end after ${MAX_STEPS} steps`);
      if (this.#waiting.length > 0) this.#advanceTo(this.#nowMs + STEP_MS);
      else if (this.#timers.size > 0) this.#advanceTo(Math.min(...[...this.#timers].map(({ dueMs }) => dueMs)));
      else throw new Error("everybody waits for something that never comes");
      this.#choose()?.go();
    }
  }

  #choose(): Waiting | undefined {
    const choice = this.#script[this.#steps % this.#script.length] ?? 0;
    const again = choice === 0 ? this.#waiting.findIndex(({ who }) => who === this.#last) : -1;
    const index = again >= 0 ? again : Math.max(0, choice - 1) % Math.max(1, this.#waiting.length);
    const [chosen] = this.#waiting.splice(index, 1);
    if (chosen !== undefined) this.#last = chosen.who;
    return chosen;
  }

  #advanceTo(nowMs: number): void {
    this.#nowMs = nowMs;
    const due = [...this.#timers].filter(({ dueMs }) => dueMs <= nowMs).sort((a, b) => a.dueMs - b.dueMs);
    for (const timer of due) {
      this.#timers.delete(timer);
      timer.fire();
    }
  }

  #setTimer(delayMs: number, fire: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, fire };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Promises are settled before the event loop comes to what `setImmediate` asks for. */
  async #settled(): Promise<void> {
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      const outside = this.#outside;
      if (outside === undefined) return;
      this.#outside = undefined;
      await outside;
    }
  }
}
