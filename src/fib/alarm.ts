import type { Clock, Timer } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";

/** How long further routes are waited for, so that one line tells of all. */
const collectMs = 1_000;

/** Tells the log what befell routes: one line for all that it befell at about the same time. */
class Alarm {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #message: string;
  readonly #holds: (prefix: Prefix) => boolean;
  readonly #raised = new PrefixMap<string>();
  #timer: Timer | undefined;

  /** `holds` is asked when the line is written; routes that it is over with by then are left out. */
  constructor(clock: Clock, logger: Logger, message: string, holds: (prefix: Prefix) => boolean) {
    this.#clock = clock;
    this.#logger = logger;
    this.#message = message;
    this.#holds = holds;
  }

  raise(prefix: Prefix, reason: string): void {
    this.#raised.set(prefix, reason);
    this.#timer ??= this.#clock.setTimer(collectMs, () => this.#tell());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #tell(): void {
    this.#timer = undefined;
    const raised = [...this.#raised].filter(([prefix]) => this.#holds(prefix));
    this.#raised.clear();
    const [first] = raised;
    if (first === undefined) return;
    const [prefix, reason] = first;
    this.#logger.warn({ routes: raised.length, first: prefix.toString(), reason }, this.#message);
  }
}

/** What other programs do to our routes, for the log. */
export class RouteAlarms {
  readonly #fights: Alarm;
  readonly #conflicts: Alarm;

  /** `isFought` and `isInConflict` tell how things stand when the log is written. */
  constructor(options: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly isFought: (prefix: Prefix) => boolean;
    readonly isInConflict: (prefix: Prefix) => boolean;
  }) {
    const { clock, logger, isFought, isInConflict } = options;
    this.#fights = new Alarm(clock, logger, "another program fights over routes", isFought);
    this.#conflicts = new Alarm(clock, logger, "other programs' routes are in the way", isInConflict);
  }

  fight(prefix: Prefix, reason: string): void {
    this.#fights.raise(prefix, reason);
  }

  conflict(prefix: Prefix, reason: string): void {
    this.#conflicts.raise(prefix, reason);
  }

  stop(): void {
    this.#fights.stop();
    this.#conflicts.stop();
  }
}
