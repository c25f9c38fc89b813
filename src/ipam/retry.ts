import type { Clock } from "../core/clock.ts";
import { IpamError } from "./errors.ts";

const MAX_TRIES = 100;
const MAX_PAUSE_MS = 100;

/** Pauses between the tries of one operation that others keep interfering with: random, and longer each time. */
export class Retry {
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #what: string;
  #tries = 0;

  /** `what` completes the sentence "could not …". */
  constructor(clock: Clock, random: () => number, what: string) {
    this.#clock = clock;
    this.#random = random;
    this.#what = what;
  }

  /** Throws `CONFLICT` after a hundred tries. */
  async pause(): Promise<void> {
    this.#tries++;
    if (this.#tries >= MAX_TRIES)
      throw new IpamError(
        "CONFLICT",
        `could not ${this.#what}: other writers were faster ${MAX_TRIES} times; try again`,
        {
          tries: MAX_TRIES,
        },
      );
    const delayMs = this.#random() * Math.min(MAX_PAUSE_MS, 2 ** this.#tries);
    await new Promise<void>((resolve) => this.#clock.setTimer(delayMs, resolve));
  }
}
