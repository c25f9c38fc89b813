import type { Clock, Timer } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { CeaseSubcode, notification } from "./fsm/notification.ts";
import { ErrorCode } from "./packet/constants.ts";
import { afiSafiOf, type Family, families } from "./packet/family.ts";
import type { NotificationMessage } from "./packet/message.ts";
import {
  type LimitedRoutes,
  type PrefixLimitEvent,
  type PrefixLimitSettings,
  PrefixLimits,
} from "./rib/prefix-limit.ts";
import type { PeerConfig } from "./types.ts";

/** What the keeper does to the peer's session. */
export interface LimitedSession {
  readonly peer: string;
  readonly clock: Clock;
  readonly logger: Logger;
  end(reason: NotificationMessage): void;
  start(): void;
  askAgain(family: Family): void;
}

/** Sees that a peer has no more routes than it may have, and has its session rest when it is to. */
export class LimitKeeper {
  readonly #routes: LimitedRoutes;
  readonly #session: LimitedSession;
  #limits: PrefixLimits | undefined;
  #rest: { readonly text: string; readonly timer: Timer | undefined } | undefined;

  constructor(settings: PeerConfig["maxPrefix"], routes: LimitedRoutes, session: LimitedSession) {
    this.#routes = routes;
    this.#session = session;
    this.#limits = this.#limitsOf(settings);
  }

  /**
   * Takes other limits; a session that rested because of the old ones is tried again, and what they kept out is asked for.
   * One that has more routes than they allow is treated as if the last of these had just come.
   */
  configure(settings: PeerConfig["maxPrefix"]): void {
    const incomplete = this.#limits?.incompleteFamilies ?? [];
    this.#limits = this.#limitsOf(settings);
    for (const family of incomplete) this.#session.askAgain(family);
    this.#wake();
    this.#limits?.review();
  }

  /** Undefined: everything may be taken. */
  get limits(): PrefixLimits | undefined {
    return this.#limits;
  }

  /** Why the session rests, for people; undefined if it does not. */
  get restReason(): string | undefined {
    return this.#rest?.text;
  }

  onEstablished(): void {
    this.#limits?.reset();
  }

  /** Routes have gone: what has been left out is asked for again where there is room now. */
  routesGone(): void {
    for (const family of families) if (this.#limits?.hasRoomAgain(family) === true) this.#session.askAgain(family);
  }

  /** The session does not rest any more; whether it begins again is the caller's business. */
  stop(): void {
    this.#rest?.timer?.cancel();
    this.#rest = undefined;
  }

  #limitsOf(settings: PeerConfig["maxPrefix"]): PrefixLimits | undefined {
    return settings && new PrefixLimits(settings, this.#routes, (...event) => this.#onEvent(...event));
  }

  #onEvent(family: Family, event: PrefixLimitEvent, { limit, action, idleSec = 60 }: PrefixLimitSettings): void {
    const { peer, clock, logger } = this.#session;
    const isNear = event === "near";
    logger.warn(
      { peer, family, limit, routes: this.#routes.count(family), action },
      isNear ? "a peer comes near its limit of routes" : "a peer has reached its limit of routes",
    );
    if (isNear || action === "warn" || action === "discard" || this.#rest !== undefined) return;
    const until = action === "restart" ? `tried again after ${idleSec} s` : "down until its configuration changes";
    const timer = action === "restart" ? clock.setTimer(idleSec * 1000, () => this.#wake()) : undefined;
    this.#rest = { text: `more than ${limit} ${family} routes; ${until}`, timer };
    this.#session.end(maxPrefixCease(family, limit));
  }

  #wake(): void {
    if (this.#rest === undefined) return;
    this.stop();
    this.#session.start();
  }
}

/** RFC 4486 §4: the family and the limit, so that the other operator sees it. */
function maxPrefixCease(family: Family, limit: number): NotificationMessage {
  const { afi, safi } = afiSafiOf(family);
  const data = new Uint8Array(7);
  const view = new DataView(data.buffer);
  view.setUint16(0, afi);
  view.setUint8(2, safi);
  view.setUint32(3, limit);
  return notification(ErrorCode.cease, CeaseSubcode.maxPrefixes, data);
}
