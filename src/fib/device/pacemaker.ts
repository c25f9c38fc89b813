import type { Clock, Timer } from "../../core/clock.ts";

/** A burst of events is answered by one run, and runs keep this distance. */
const gatherMs = 20;
const distanceMs = 100;

/** Runs one thing at a time: soon when it is asked to, and again when the run before said so. */
export class Pacemaker {
  readonly #clock: Clock;
  /** Returns after how many milliseconds to run unasked; undefined: never. Must not reject. */
  readonly #run: () => Promise<number | undefined>;
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #running = false;
  #asked = false;
  #stopped = false;
  #lastMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, run: () => Promise<number | undefined>) {
    this.#clock = clock;
    this.#run = run;
  }

  /** Asks for a run that begins after this call. */
  request(): void {
    if (this.#running) this.#asked = true;
    else this.#schedule(Math.max(gatherMs, this.#lastMs + distanceMs - this.#clock.monotonicMs()));
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    const dueMs = this.#clock.monotonicMs() + delayMs;
    if (this.#stopped || (this.#timer !== undefined && this.#dueMs <= dueMs)) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = this.#clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      void this.#begin();
    });
  }

  async #begin(): Promise<void> {
    this.#running = true;
    this.#asked = false;
    const nextMs = await this.#run();
    this.#running = false;
    this.#lastMs = this.#clock.monotonicMs();
    if (this.#asked) this.request();
    if (nextMs !== undefined) this.#schedule(nextMs);
  }
}
