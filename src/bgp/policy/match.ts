import type { Prefix } from "../../net/prefix.ts";
import type { LargeCommunity, PathAttributes } from "../packet/attributes.ts";
import type { Policy, PolicyMatch, PrefixMatch } from "./types.ts";

/** A route as a policy sees it. */
export interface PolicyRoute {
  readonly prefix: Prefix;
  readonly attributes: PathAttributes;
  /** Where the route came from. */
  readonly source: "local" | "peer";
  /** Kind of the session that the route came from (import) or goes to (export). */
  readonly peerType: "ibgp" | "ebgp";
  /** The interface by which its next hop is reached, if there is one. */
  readonly interface?: string | undefined;
}

/** False if a policy does the same with all prefixes of a family. */
export function looksAtPrefix({ rules }: Policy): boolean {
  return rules.some(({ match }) => match.prefixes !== undefined);
}

/** False if a condition of `match` that looks neither at attributes nor at the interface does not hold. */
export function mayMatch(match: PolicyMatch, route: Omit<PolicyRoute, "attributes" | "interface">): boolean {
  if (match.family !== undefined && match.family !== route.prefix.family) return false;
  if (match.source !== undefined && match.source !== route.source) return false;
  if (match.peerType !== undefined && match.peerType !== route.peerType) return false;
  return match.prefixes === undefined || match.prefixes.some((condition) => matchesPrefix(condition, route.prefix));
}

/** True if `match` has conditions that `mayMatch` does not know. */
export function looksAtRoute(match: PolicyMatch): boolean {
  const { family: _, source: __, peerType: ___, prefixes: ____, ...others } = match;
  return Object.values(others).some((condition) => condition !== undefined);
}

/** True if every condition of `match` holds for `route`. */
export function matchesRoute(match: PolicyMatch, route: PolicyRoute): boolean {
  const { attributes } = route;
  if (!mayMatch(match, route)) return false;
  if (match.communities?.some((wanted) => !attributes.communities.includes(wanted))) return false;
  if (match.largeCommunities?.some((wanted) => !hasLargeCommunity(attributes.largeCommunities, wanted))) return false;
  if (match.asPathPrefix !== undefined && !startsWith(attributes, match.asPathPrefix)) return false;
  if (match.localPref !== undefined && !hasLocalPref(match.localPref, attributes.localPref)) return false;
  if (match.interface !== undefined && !matchesGlob(route.interface ?? "", match.interface)) return false;
  return true;
}

function hasLocalPref(wanted: NonNullable<PolicyMatch["localPref"]>, localPref: number | undefined): boolean {
  const { atLeast = 0, atMost = Number.POSITIVE_INFINITY, orAbsent = false } = wanted;
  return localPref === undefined ? orAbsent : localPref >= atLeast && localPref <= atMost;
}

/** `*` stands for any text, also for none. Backtracks to the last `*` only, so that no pattern takes long. */
function matchesGlob(text: string, pattern: string): boolean {
  let at = 0;
  let position = 0;
  let retry: { readonly pattern: number; text: number } | undefined;
  while (at < text.length) {
    if (pattern[position] === "*") retry = { pattern: ++position, text: at };
    else if (pattern[position] === text[at]) {
      at++;
      position++;
    } else if (retry !== undefined) {
      position = retry.pattern;
      at = ++retry.text;
    } else return false;
  }
  return !/[^*]/.test(pattern.slice(position));
}

/** A condition of one family says nothing about the other: it never holds there, not even in its negated form. */
function matchesPrefix(condition: PrefixMatch, prefix: Prefix): boolean {
  if (condition.prefix.family !== prefix.family) return false;
  switch (condition.operator) {
    case "equal":
      return condition.prefix.equals(prefix);
    case "not-equal":
      return !condition.prefix.equals(prefix);
    case "in":
      return condition.prefix.contains(prefix) && hasLength(condition, prefix);
    case "not-in":
      return !(condition.prefix.contains(prefix) && hasLength(condition, prefix));
  }
}

function hasLength(condition: PrefixMatch, prefix: Prefix): boolean {
  return prefix.length >= (condition.minLength ?? 0) && prefix.length <= (condition.maxLength ?? prefix.bits);
}

/** True if `list` holds a large community of the same three numbers. */
export function hasLargeCommunity(list: readonly LargeCommunity[], wanted: LargeCommunity): boolean {
  return list.some(
    (item) => item.global === wanted.global && item.local1 === wanted.local1 && item.local2 === wanted.local2,
  );
}

/** Only AS_SEQUENCE segments have an order that can be compared; the first other segment ends the comparison. */
function startsWith(attributes: PathAttributes, wanted: readonly number[]): boolean {
  let position = 0;
  for (const segment of attributes.asPath) {
    if (position === wanted.length) return true;
    if (segment.type !== "sequence") return false;
    for (const asNumber of segment.asNumbers) {
      if (position === wanted.length) return true;
      if (asNumber !== wanted[position]) return false;
      position++;
    }
  }
  return position === wanted.length;
}
