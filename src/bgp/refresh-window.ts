import type { Clock, Timer } from "../core/clock.ts";
import type { Family } from "./packet/family.ts";

/** What the window does to the peer's Adj-RIB-In. */
export interface RefreshedRoutes {
  /** All routes of the family have to be announced again from now on. */
  begin(family: Family): void;
  /** Removes those that were not. */
  end(family: Family): void;
}

/**
 * The receiving side of enhanced route refresh (RFC 7313 §4) for one peer: what it does not announce between beginning and
 * end of a refresh, it has no more. A refresh whose end does not come within `limitSec` ends by itself.
 */
export class RefreshWindow {
  readonly #clock: Clock;
  readonly #limitSec: number;
  readonly #routes: RefreshedRoutes;
  readonly #open = new Map<Family, Timer>();

  constructor(clock: Clock, limitSec: number, routes: RefreshedRoutes) {
    this.#clock = clock;
    this.#limitSec = limitSec;
    this.#routes = routes;
  }

  /** BoRR. A second one begins anew. */
  onBegin(family: Family): void {
    this.#open.get(family)?.cancel();
    this.#routes.begin(family);
    this.#open.set(
      family,
      this.#clock.setTimer(this.#limitSec * 1000, () => this.onEnd(family)),
    );
  }

  /** EoRR; without a beginning it means nothing. */
  onEnd(family: Family): void {
    const timer = this.#open.get(family);
    if (timer === undefined) return;
    timer.cancel();
    this.#open.delete(family);
    this.#routes.end(family);
  }

  /** The session is over, and with it every refresh. */
  stop(): void {
    for (const timer of this.#open.values()) timer.cancel();
    this.#open.clear();
  }
}
