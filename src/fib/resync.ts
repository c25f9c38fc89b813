import type { Clock, Timer } from "../core/clock.ts";
import { errorMessage } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import { retryDelayMs } from "./delay-queue.ts";

/** Full comparisons happen this often in any case, ± a tenth so that nodes don't do it in step. */
const periodMs = 90_000;

/** Requests that come in a burst are answered by one dump, and dumps keep this distance. */
const gatherMs = 100;
const distanceMs = 500;

interface ResyncOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly dump: () => Promise<void>;
}

/** Runs dumps one at a time: periodically, on request, and again after one that failed. */
export class Resync {
  readonly #options: ResyncOptions;
  #timer: Timer | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #running = false;
  #requested = false;
  #stopped = false;
  #lastMs = Number.NEGATIVE_INFINITY;
  #failures = 0;

  constructor(options: ResyncOptions) {
    this.#options = options;
  }

  /** Arms the periodic dump. */
  start(): void {
    this.#schedulePeriodic();
  }

  /** Asks for a dump soon. A request that comes while one is running leads to another one after it. */
  request(): void {
    if (this.#running) this.#requested = true;
    else this.#schedule(Math.max(gatherMs, this.#lastMs + distanceMs - this.#options.clock.monotonicMs()));
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  #schedulePeriodic(): void {
    this.#schedule(periodMs * (0.9 + 0.2 * this.#options.random()));
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    const dueMs = this.#options.clock.monotonicMs() + delayMs;
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    const { clock, dump, logger } = this.#options;
    this.#running = true;
    this.#requested = false;
    try {
      await dump();
      this.#failures = 0;
    } catch (error) {
      logger.warn({ err: errorMessage(error) }, "the kernel's routes could not be read; trying again");
      this.#schedule(retryDelayMs(this.#failures++));
    }
    this.#running = false;
    this.#lastMs = clock.monotonicMs();
    if (this.#requested) this.request();
    this.#schedulePeriodic();
  }
}
