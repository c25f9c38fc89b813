import type { Clock, Timer } from "../core/clock.ts";
import { CeaseSubcode } from "./fsm/notification.ts";
import { ErrorCode } from "./packet/constants.ts";
import type { Family } from "./packet/family.ts";
import type { NegotiatedSession, SessionDownReason } from "./types.ts";

/** How long a receiving speaker keeps the routes of a peer that is away or slow to announce them again. */
export interface RetentionLimits {
  /** Upper limit of the peer's Restart Time. */
  readonly longestRestartSec: number;
  /** From the new session to the End-of-RIB. */
  readonly stalePathSec: number;
}

/** Families whose routes stay in use after the loss of `session` (RFC 4724 §4.2, RFC 8538 §4). */
export function retainedFamilies(reason: SessionDownReason, session: NegotiatedSession): readonly Family[] {
  const { gracefulRestart } = session;
  if (gracefulRestart === undefined || gracefulRestart.restartTimeSec === 0) return [];
  const retained = session.families.filter((family) => gracefulRestart.families.has(family));
  switch (reason.kind) {
    case "tcp-closed":
    case "tcp-failed":
    case "hold-timer-expired":
      return retained;
    case "send-hold-timer-expired":
    case "notification-received":
    case "notification-sent":
      return gracefulRestart.notification && !isHardReset(reason) ? retained : [];
    case "bfd-down":
    case "administrative":
      return [];
  }
}

/** RFC 8538 §3.1: such a Cease ends a session for good. */
function isHardReset({ notification }: SessionDownReason): boolean {
  return notification?.code === ErrorCode.cease && notification.subcode === CeaseSubcode.hardReset;
}

/** What the keeper does to the peer's Adj-RIB-In. */
export interface StaleRoutes {
  mark(families: readonly Family[]): void;
  /** Removes what is still stale, of these families only if given. */
  sweep(families?: readonly Family[]): void;
  /** Removes all routes of other families than these, stale or not. */
  keepOnly(families: readonly Family[]): void;
  readonly count: number;
}

/** The receiving side of graceful restart for one peer: which routes stay, and until when. */
export class StaleRouteKeeper {
  readonly #clock: Clock;
  readonly #limits: RetentionLimits;
  readonly #routes: StaleRoutes;
  #timer: Timer | undefined;

  constructor(clock: Clock, limits: RetentionLimits, routes: StaleRoutes) {
    this.#clock = clock;
    this.#limits = limits;
    this.#routes = routes;
  }

  /** The session is lost. A second loss while routes are stale gives them up first (RFC 4724 §4.2). */
  onDown(reason: SessionDownReason, session: NegotiatedSession): void {
    const families = retainedFamilies(reason, session);
    this.#routes.sweep();
    this.#routes.keepOnly(families);
    this.#routes.mark(families);
    this.#arm(Math.min(session.gracefulRestart?.restartTimeSec ?? 0, this.#limits.longestRestartSec));
  }

  /** The peer is back: routes of a family stay only if it says that it kept forwarding them. */
  onEstablished(session: NegotiatedSession): void {
    const { gracefulRestart } = session;
    const isPreserved = (family: Family) => gracefulRestart?.families.get(family) === true;
    this.#routes.keepOnly(session.families.filter(isPreserved));
    this.#arm(this.#limits.stalePathSec);
  }

  /** The peer has announced all that it has in this family. */
  onEndOfRib(family: Family): void {
    this.#routes.sweep([family]);
    if (this.#routes.count === 0) this.stop();
  }

  /** Nothing is kept for the peer any longer. */
  giveUp(): void {
    this.stop();
    this.#routes.sweep();
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(delaySec: number): void {
    this.stop();
    if (this.#routes.count === 0) return;
    this.#timer = this.#clock.setTimer(delaySec * 1000, () => {
      this.#timer = undefined;
      this.#routes.sweep();
    });
  }
}
