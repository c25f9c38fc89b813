import type { Clock, Timer } from "../../core/clock.ts";

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 30_000;

interface PeriodicRunOptions {
  readonly run: () => Promise<void>;
  readonly onFailure: (error: unknown) => void;
  readonly intervalMs: number;
  readonly clock: Clock;
  /** Numbers in [0, 1); nodes that start together don't go on together. */
  readonly random: () => number;
}

/** Runs something at once and then again and again; sooner if it fails. One run at a time. */
export class PeriodicRun {
  readonly #options: PeriodicRunOptions;
  #timer: Timer | undefined;
  #failures = 0;
  #stopped = false;
  #current: Promise<void> = Promise.resolve();

  constructor(options: PeriodicRunOptions) {
    this.#options = options;
  }

  /** Resolves after the first run, whether it has succeeded or not. */
  start(): Promise<void> {
    this.#current = this.#once();
    return this.#current;
  }

  /** Runs as soon as the run that is under way is over, if any. */
  soon(): void {
    if (this.#stopped) return;
    this.#timer?.cancel();
    this.#current = this.#current.then(() => {
      this.#timer?.cancel();
      return this.#once();
    });
  }

  /** Resolves when a run that is under way is over. */
  stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    return this.#current;
  }

  async #once(): Promise<void> {
    if (this.#stopped) return;
    const { run, onFailure, intervalMs, clock, random } = this.#options;
    try {
      await run();
      this.#failures = 0;
    } catch (error) {
      this.#failures++;
      onFailure(error);
    }
    if (this.#stopped) return;
    const delayMs =
      this.#failures === 0 ? intervalMs : Math.min(intervalMs, RETRY_MAX_MS, RETRY_MIN_MS * 2 ** (this.#failures - 1));
    this.#timer = clock.setTimer(delayMs * (0.8 + 0.4 * random()), () => {
      this.#current = this.#once();
    });
  }
}
