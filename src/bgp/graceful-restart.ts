import type { Clock, Timer } from "../core/clock.ts";
import { CeaseSubcode } from "./fsm/notification.ts";
import { ErrorCode } from "./packet/constants.ts";
import type { Family } from "./packet/family.ts";
import type { SessionDownReason } from "./session-state.ts";
import type { NegotiatedSession } from "./types.ts";

/** How long a receiving speaker keeps the routes of a peer that is away or slow to announce them again. */
export interface RetentionLimits {
  /** Upper limit of the peer's Restart Time. */
  readonly longestRestartSec: number;
  /** Upper limit of the time for which a peer wants its routes kept as routes of last resort. */
  readonly longestLongLivedSec: number;
  /** From the new session to the End-of-RIB. */
  readonly stalePathSec: number;
}

/** Families whose routes stay in use after the loss of `session` (RFC 4724 §4.2, RFC 8538 §4, RFC 9494 §4.2). */
export function retainedFamilies(reason: SessionDownReason, session: NegotiatedSession): readonly Family[] {
  const { gracefulRestart, longLivedGracefulRestart } = session;
  if (gracefulRestart === undefined) return [];
  const retained = session.families.filter(
    (family) =>
      (gracefulRestart.restartTimeSec > 0 && gracefulRestart.families.has(family)) ||
      (longLivedGracefulRestart?.get(family)?.staleTimeSec ?? 0) > 0,
  );
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
  /** Makes what is still stale routes of last resort (RFC 9494). */
  markLongLived(families: readonly Family[]): void;
  /** Removes what is still stale, of these families only if given. */
  sweep(families?: readonly Family[]): void;
  /** Removes all routes of other families than these, stale or not. */
  keepOnly(families: readonly Family[]): void;
  readonly count: number;
}

/**
 * The receiving side of graceful restart for one peer: which routes stay, and until when.
 *
 * ```
 * session lost ──► stale ──restart time──► of last resort ──stale time of the family──► gone
 *                    │                           │
 *                    └──────── session back ─────┴──► stale until End-of-RIB, or at most `stalePathSec`
 * ```
 */
export class StaleRouteKeeper {
  readonly #clock: Clock;
  readonly #limits: RetentionLimits;
  readonly #routes: StaleRoutes;
  /** Until the peer must be back or, when it is, have announced everything. */
  #timer: Timer | undefined;
  /** Families whose routes are of last resort, until when. */
  readonly #longLived = new Map<Family, Timer>();

  constructor(clock: Clock, limits: RetentionLimits, routes: StaleRoutes) {
    this.#clock = clock;
    this.#limits = limits;
    this.#routes = routes;
  }

  /** The session is lost. A second loss while routes are stale gives them up first (RFC 4724 §4.2). */
  onDown(reason: SessionDownReason, session: NegotiatedSession): void {
    this.stop();
    this.#routes.sweep();
    this.#retain(retainedFamilies(reason, session), session);
  }

  /** We have ended the session for another one with the same peer: what is stale already stays, too. */
  onReplaced(session: NegotiatedSession): void {
    this.stop();
    this.#retain(retainedFamilies({ kind: "tcp-closed", text: "" }, session), session);
  }

  /** Some routes are of last resort already. */
  get isLongLived(): boolean {
    return this.#longLived.size > 0;
  }

  #retain(families: readonly Family[], session: NegotiatedSession): void {
    this.#routes.keepOnly(families);
    this.#routes.mark(families);
    const { gracefulRestart } = session;
    const restartSec = Math.min(gracefulRestart?.restartTimeSec ?? 0, this.#limits.longestRestartSec);
    const isRestartable = (family: Family) => restartSec > 0 && gracefulRestart?.families.has(family) === true;
    // RFC 9494 §4.2: a family that has no restart time begins with its long-lived stale time.
    this.#outlast(
      families.filter((family) => !isRestartable(family)),
      session,
    );
    this.#arm(restartSec, () => this.#outlast(families.filter(isRestartable), session));
  }

  /** The peer is back: routes of a family stay only if it says that it kept forwarding them. */
  onEstablished(session: NegotiatedSession): void {
    const { gracefulRestart, longLivedGracefulRestart } = session;
    const isPreserved = (family: Family) =>
      this.#longLived.has(family)
        ? longLivedGracefulRestart?.get(family)?.preserved === true
        : gracefulRestart?.families.get(family) === true;
    const kept = session.families.filter(isPreserved);
    this.#routes.keepOnly(kept);
    for (const family of this.#longLived.keys()) if (!kept.includes(family)) this.#endLongLived(family);
    this.#arm(this.#limits.stalePathSec, () => this.giveUp());
  }

  /** The peer has announced all that it has in this family. */
  onEndOfRib(family: Family): void {
    this.#endLongLived(family);
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
    for (const family of this.#longLived.keys()) this.#endLongLived(family);
  }

  /** The restart time of these families is over. */
  #outlast(families: readonly Family[], { longLivedGracefulRestart }: NegotiatedSession): void {
    for (const family of families) {
      const wishedSec = longLivedGracefulRestart?.get(family)?.staleTimeSec ?? 0;
      const staleSec = Math.min(wishedSec, this.#limits.longestLongLivedSec);
      if (staleSec === 0) this.#routes.sweep([family]);
      else {
        this.#routes.markLongLived([family]);
        this.#longLived.set(
          family,
          this.#clock.setTimer(staleSec * 1000, () => this.onEndOfRib(family)),
        );
      }
    }
  }

  #endLongLived(family: Family): void {
    this.#longLived.get(family)?.cancel();
    this.#longLived.delete(family);
  }

  #arm(delaySec: number, onExpired: () => void): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    if (this.#routes.count === 0 || delaySec === 0) return;
    this.#timer = this.#clock.setTimer(delaySec * 1000, () => {
      this.#timer = undefined;
      onExpired();
    });
  }
}
