import type { Prefix } from "../../net/prefix.ts";
import type { LargeCommunity } from "../packet/attributes.ts";

/** Conditions of a rule, all of which must hold; an empty match always holds. */
export interface PolicyMatch {
  /** Address family of the prefix. */
  readonly family?: 4 | 6;
  /** The route's prefix against a list, any of which must hold. */
  readonly prefixes?: readonly PrefixMatch[];
  /** Where the route came from. */
  readonly source?: "local" | "peer";
  /** Kind of the session that it came from or goes to. */
  readonly peerType?: "ibgp" | "ebgp";
  /** All of these communities are present (RFC 1997 numbers). */
  readonly communities?: readonly number[];
  readonly largeCommunities?: readonly LargeCommunity[];
  /** The AS_PATH starts with these AS numbers. */
  readonly asPathPrefix?: readonly number[];
  /** Limits of LOCAL_PREF. A route without one matches only with `orAbsent`. */
  readonly localPref?: { readonly atLeast?: number; readonly atMost?: number; readonly orAbsent?: boolean };
  /** Name of the interface by which the route's next hop is reached, empty without one; `*` stands for any text. */
  readonly interface?: string;
}

export interface PrefixMatch {
  readonly prefix: Prefix;
  /** equal: the very prefix. in: it or inside it. not-*: the opposite. */
  readonly operator: "equal" | "not-equal" | "in" | "not-in";
  /** Limits of the route's prefix length, for `in` and `not-in`. */
  readonly minLength?: number;
  readonly maxLength?: number;
}

export type PolicyOperation =
  | { readonly type: "set-local-pref"; readonly value: number }
  | { readonly type: "set-med"; readonly value: number | undefined }
  | { readonly type: "add-communities"; readonly communities: readonly number[] }
  | { readonly type: "add-large-communities"; readonly communities: readonly LargeCommunity[] }
  | { readonly type: "prepend-as-path"; readonly asNumbers: readonly number[] };

export interface PolicyRule {
  /** Shown in `calictl routes explain`, e.g. "BGPFilter no-default importV4[0]". */
  readonly name: string;
  readonly match: PolicyMatch;
  /** accept and reject end the policy; continue applies the operations and goes on with the next rule. */
  readonly action: "accept" | "reject" | "continue";
  /** Applied in order when the rule matches, unless it rejects. */
  readonly operations?: readonly PolicyOperation[];
}

/** Rules in order; the first that matches and does not just continue decides, else `defaultAction`. Two policies are equal if their JSON is. */
export interface Policy {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  readonly defaultAction: "accept" | "reject";
}
