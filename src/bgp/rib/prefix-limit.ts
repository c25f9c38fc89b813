import type { Prefix } from "../../net/prefix.ts";
import type { Family } from "../packet/family.ts";

/** How many routes of one family a peer may have in its Adj-RIB-In (RFC 4486 §4). */
export interface PrefixLimitSettings {
  readonly limit: number;
  /** Per cent of the limit from which on a warning is due; 75 if absent. */
  readonly warnPercent?: number;
  /**
   * What happens with more: nothing but the warning; further routes are not taken; the session ends with Cease 6/1 and is
   * tried again after `idleSec`; or it ends until the configuration changes.
   */
  readonly action: "warn" | "discard" | "restart" | "shutdown";
  /** For `restart`; 60 if absent. */
  readonly idleSec?: number;
}

/** What happened to a limit. */
export type PrefixLimitEvent = "near" | "reached";

/** What a limit needs to know of the routes that there are. */
export interface LimitedRoutes {
  count(family: Family): number;
  has(prefix: Prefix, pathId: number): boolean;
}

interface State {
  readonly settings: PrefixLimitSettings;
  told: "nothing" | PrefixLimitEvent;
  discarded: number;
}

/** Watches one peer's limits. Counts what is kept, so that what policy refuses counts, too: it takes the same memory. */
export class PrefixLimits {
  readonly #routes: LimitedRoutes;
  readonly #onEvent: (family: Family, event: PrefixLimitEvent, settings: PrefixLimitSettings) => void;
  readonly #states = new Map<Family, State>();

  constructor(
    settings: Readonly<Partial<Record<Family, PrefixLimitSettings>>>,
    routes: LimitedRoutes,
    onEvent: (family: Family, event: PrefixLimitEvent, settings: PrefixLimitSettings) => void,
  ) {
    this.#routes = routes;
    this.#onEvent = onEvent;
    for (const family of ["ipv4-unicast", "ipv6-unicast"] as const) {
      const own = settings[family];
      if (own !== undefined) this.#states.set(family, { settings: own, told: "nothing", discarded: 0 });
    }
  }

  /** The limit of a family; infinite without one. */
  limitOf(family: Family): number {
    return this.#states.get(family)?.settings.limit ?? Number.POSITIVE_INFINITY;
  }

  /** How many routes may come before `admits` has to be asked for each, and those that go have to be told of. */
  roomFor(family: Family): number {
    const state = this.#states.get(family);
    if (state === undefined) return Number.POSITIVE_INFINITY;
    return state.told === "nothing" ? quietCount(state.settings) - this.#routes.count(family) : 0;
  }

  /** Whether the route that the peer announces may be taken. */
  admits(family: Family, prefix: Prefix, pathId: number): boolean {
    const state = this.#states.get(family);
    if (state === undefined) return true;
    const { limit, action } = state.settings;
    const count = this.#routes.count(family);
    if (count < quietCount(state.settings) || this.#routes.has(prefix, pathId)) return true;
    if (count < limit) {
      this.#tell(family, state, "near");
      return true;
    }
    this.#tell(family, state, "reached");
    if (action === "warn") return true;
    state.discarded++;
    return false;
  }

  /** For limits that came when the routes were there: says which of them are exceeded. Nothing that is there is taken away. */
  review(): void {
    for (const [family, state] of this.#states)
      if (this.#routes.count(family) > state.settings.limit) this.#tell(family, state, "reached");
  }

  /** After routes have gone: true, once, if there is room again for routes that were not taken. */
  hasRoomAgain(family: Family): boolean {
    const state = this.#states.get(family);
    if (state === undefined || state.told === "nothing") return false;
    const { limit, warnPercent = 75 } = state.settings;
    const count = this.#routes.count(family);
    if (count >= Math.floor((limit * warnPercent) / 100)) return false;
    const hadToDiscard = state.discarded > 0;
    state.told = "nothing";
    state.discarded = 0;
    return hadToDiscard;
  }

  /** Announcements that were not taken since there was room last, in all families. */
  get discarded(): number {
    let discarded = 0;
    for (const state of this.#states.values()) discarded += state.discarded;
    return discarded;
  }

  /** Families of which some announcements were not taken. */
  get incompleteFamilies(): readonly Family[] {
    return [...this.#states].filter(([, { discarded }]) => discarded > 0).map(([family]) => family);
  }

  /** A new session begins. */
  reset(): void {
    for (const state of this.#states.values()) {
      state.told = "nothing";
      state.discarded = 0;
    }
  }

  #tell(family: Family, state: State, event: PrefixLimitEvent): void {
    if (state.told === event || state.told === "reached") return;
    state.told = event;
    this.#onEvent(family, event, state.settings);
  }
}

/** With fewer routes there is nothing to be said. */
function quietCount({ limit, warnPercent = 75 }: PrefixLimitSettings): number {
  return Math.min(limit, Math.floor((limit * warnPercent) / 100));
}
