import type { Prefix } from "../../net/prefix.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { Family } from "../packet/family.ts";
import type { NextHop } from "../packet/message.ts";
import type { Path, PathSource } from "../types.ts";
import type { NextHopUser, TrackedNextHop } from "./next-hop-table.ts";
import type { PathSlot } from "./slot.ts";

/** What loop checks and the import policy make of a received route. */
export type ImportVerdict =
  | { readonly accepted: true; readonly attributes: PathAttributes }
  | { readonly accepted: false; readonly reason: string };

/** Must be deterministic; called once per received route and again for all routes when the rules change. */
export type ImportRules = (
  prefix: Prefix,
  attributes: PathAttributes,
  nextHop: NextHop | undefined,
  /** By which the next hop is reached, if that is known. */
  interfaceName: string | undefined,
) => ImportVerdict;

/** Everything but `stale` and `awaitsRefresh` is fixed: a change of the route is a new object, so that identity tells whether one changed. */
export class ReceivedPath implements Path, NextHopUser {
  readonly prefix: Prefix;
  readonly pathId: number;
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
  readonly source: PathSource;
  stale = false;
  #slot: PathSlot | undefined;
  #nextUser: NextHopUser | undefined;
  #previousUser: NextHopUser | undefined;
  // Private, so that a path prints as what the interface says and not as the whole table behind it.
  readonly #table: AdjRibIn;
  readonly #received: PathAttributes;
  readonly #tracked: TrackedNextHop | undefined;
  readonly #refused: string | undefined;
  #awaitsRefresh = false;

  constructor(
    table: AdjRibIn,
    prefix: Prefix,
    pathId: number,
    received: PathAttributes,
    tracked: TrackedNextHop | undefined,
    verdict: ImportVerdict,
  ) {
    this.prefix = prefix;
    this.pathId = pathId;
    this.attributes = verdict.accepted ? verdict.attributes : received;
    this.nextHop = tracked?.nextHop;
    this.source = table.source;
    this.#table = table;
    this.#received = received;
    this.#tracked = tracked;
    this.#refused = verdict.accepted ? undefined : verdict.reason;
  }

  get table(): AdjRibIn {
    return this.#table;
  }

  /** The attributes as they came, before the import policy. */
  get received(): PathAttributes {
    return this.#received;
  }

  /** Undefined for a route of our own that takes the session's address. */
  get tracked(): TrackedNextHop | undefined {
    return this.#tracked;
  }

  /** Why the path takes no part in the choice; undefined if it does. */
  get refused(): string | undefined {
    return this.#refused;
  }

  /** The peer announces this family again (RFC 7313), and has not come to this route. */
  get awaitsRefresh(): boolean {
    return this.#awaitsRefresh;
  }

  set awaitsRefresh(awaits: boolean) {
    this.#awaitsRefresh = awaits;
  }

  get nextUser(): NextHopUser | undefined {
    return this.#nextUser;
  }

  set nextUser(user: NextHopUser | undefined) {
    this.#nextUser = user;
  }

  get previousUser(): NextHopUser | undefined {
    return this.#previousUser;
  }

  set previousUser(user: NextHopUser | undefined) {
    this.#previousUser = user;
  }

  /** Where the path stands among those that are announced side by side; undefined until somebody is told of it so. */
  get slot(): PathSlot | undefined {
    return this.#slot;
  }

  set slot(slot: PathSlot | undefined) {
    this.#slot = slot;
  }

  /** True if a new path of this verdict would be the same as this one. */
  hasVerdict(verdict: ImportVerdict): boolean {
    return verdict.accepted
      ? this.#refused === undefined && this.attributes === verdict.attributes
      : this.#refused === verdict.reason;
  }
}

/**
 * The routes of one source: a peer's Adj-RIB-In (RFC 4271 §3.2), or the routes that we originate. Refused ones stay, with
 * the reason, so that they can be shown and a change of policy needs no route refresh.
 */
export class AdjRibIn {
  /** Stands in every path; replace it only when something in it changed. */
  source: PathSource;
  rules: ImportRules;
  readonly #paths = new Set<ReceivedPath>();
  #ipv4 = 0;
  #accepted = 0;
  #stale = 0;

  constructor(source: PathSource, rules: ImportRules) {
    this.source = source;
    this.rules = rules;
  }

  get paths(): ReadonlySet<ReceivedPath> {
    return this.#paths;
  }

  /** How many paths of a family there are, refused ones included. */
  countOf(family: Family): number {
    return family === "ipv4-unicast" ? this.#ipv4 : this.#paths.size - this.#ipv4;
  }

  get accepted(): number {
    return this.#accepted;
  }

  get stale(): number {
    return this.#stale;
  }

  add(path: ReceivedPath): void {
    this.#paths.add(path);
    if (path.prefix.family === 4) this.#ipv4++;
    if (path.refused === undefined) this.#accepted++;
    if (path.stale) this.#stale++;
  }

  remove(path: ReceivedPath): void {
    this.#paths.delete(path);
    if (path.prefix.family === 4) this.#ipv4--;
    if (path.refused === undefined) this.#accepted--;
    if (path.stale) this.#stale--;
  }

  /** True if the path was not so before. */
  setStale(path: ReceivedPath, stale: boolean): boolean {
    if (path.stale === stale) return false;
    path.stale = stale;
    this.#stale += stale ? 1 : -1;
    return true;
  }
}

/** True if the path belongs to one of the families. */
export function isOf(path: Path, families: readonly Family[]): boolean {
  return families.includes(familyOfPrefix(path.prefix));
}

/** The unicast family of a prefix. */
export function familyOfPrefix(prefix: Prefix): Family {
  return prefix.family === 4 ? "ipv4-unicast" : "ipv6-unicast";
}
