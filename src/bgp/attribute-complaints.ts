import type { Clock, Timer } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";

/** So many lines in a window; a peer that sends nothing but such UPDATEs would fill any disk. */
const linesPerWindow = 5;
const windowMs = 60_000;

/** Logs what is wrong with a peer's attributes: the first few of a minute in full, the rest as a number at its end. */
export class AttributeComplaints {
  readonly #peer: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #told = 0;
  #leftOut = 0;
  #window: Timer | undefined;

  constructor(peer: string, clock: Clock, logger: Logger) {
    this.#peer = peer;
    this.#clock = clock;
    this.#logger = logger;
  }

  tell(problem: object): void {
    this.#window ??= this.#clock.setTimer(windowMs, () => this.#endWindow());
    if (this.#told === linesPerWindow) {
      this.#leftOut++;
      return;
    }
    this.#told++;
    this.#logger.warn({ peer: this.#peer, ...problem }, "attribute error in an UPDATE");
  }

  /** What was left out is told now. */
  stop(): void {
    this.#window?.cancel();
    this.#endWindow();
  }

  #endWindow(): void {
    if (this.#leftOut > 0)
      this.#logger.warn(
        { peer: this.#peer, leftOut: this.#leftOut },
        "further attribute errors in UPDATEs of the last minute",
      );
    this.#window = undefined;
    this.#told = 0;
    this.#leftOut = 0;
  }
}
