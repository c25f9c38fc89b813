import type { PolicyMatch, PolicyOperation, PolicyRule, PrefixMatch } from "../../bgp/policy/types.ts";
import { Prefix } from "../../net/prefix.ts";
import type { BgpFilterOperation, BgpFilterRule, BgpFilterSpec } from "../../resources/bgp-filter.ts";
import { localPreferenceOf, normalMetric } from "../routing/priority.ts";
import { addCommunities, parseCommunity } from "./communities.ts";

/** A BGPFilter that a BGPPeer names. */
export interface NamedFilter {
  readonly name: string;
  /** Undefined if there is no such resource. */
  readonly spec: BgpFilterSpec | undefined;
}

type Direction = "import" | "export";

const lists = {
  import: ["importV4", "importV6"],
  export: ["exportV4", "exportV6"],
} as const satisfies Record<Direction, readonly (keyof BgpFilterSpec)[]>;

/**
 * The rules of a filter for one direction. What none of them matches goes on to the next filter and at last to what holds
 * without filters. A filter that does not exist lets nothing through: the peer must not run as if nothing had been asked.
 */
export function filterRules({ name, spec }: NamedFilter, direction: Direction): PolicyRule[] {
  if (spec === undefined) return [{ name: `BGPFilter ${name} does not exist`, match: {}, action: "reject" }];
  return lists[direction].flatMap((list) => {
    const family = list.endsWith("V4") ? 4 : 6;
    return (spec[list] ?? []).map((rule, index) =>
      policyRule(rule, direction, family, `BGPFilter ${name} ${list}[${index}]`),
    );
  });
}

function policyRule(rule: BgpFilterRule, direction: Direction, family: 4 | 6, name: string): PolicyRule {
  const match = { ...matchOf(rule, direction), family };
  if (rule.action === "Reject") return { name, match, action: "reject" };
  return { name, match, action: "accept", operations: (rule.operations ?? []).flatMap(operationsOf) };
}

function matchOf(rule: BgpFilterRule, direction: Direction): PolicyMatch {
  const prefix = prefixMatch(rule);
  const communities = (rule.communities?.values ?? []).map(parseCommunity);
  const standard = communities.flatMap(({ kind, value }) => (kind === "standard" ? [value] : []));
  const large = communities.flatMap(({ kind, value }) => (kind === "large" ? [value] : []));
  return {
    ...(prefix !== undefined && { prefixes: [prefix] }),
    ...(rule.source !== undefined && { source: "peer" as const }),
    ...(rule.interface !== undefined && { interface: rule.interface }),
    ...(rule.peerType !== undefined && { peerType: rule.peerType === "eBGP" ? ("ebgp" as const) : ("ibgp" as const) }),
    ...(standard.length > 0 && { communities: standard }),
    ...(large.length > 0 && { largeCommunities: large }),
    ...(rule.asPathPrefix !== undefined && { asPathPrefix: rule.asPathPrefix }),
    ...(rule.priority !== undefined && { localPref: localPrefOf(rule.priority, direction) }),
  };
}

const operators = { Equal: "equal", NotEqual: "not-equal", In: "in", NotIn: "not-in" } as const;

function prefixMatch({ cidr, matchOperator, prefixLength }: BgpFilterRule): PrefixMatch | undefined {
  if (cidr === undefined || matchOperator === undefined) return undefined;
  return {
    prefix: Prefix.parse(cidr),
    operator: operators[matchOperator],
    ...(prefixLength?.min !== undefined && { minLength: prefixLength.min }),
    ...(prefixLength?.max !== undefined && { maxLength: prefixLength.max }),
  };
}

/** Priorities are kernel metrics. What goes out without a LOCAL_PREF has the normal one. */
function localPrefOf(priority: number, direction: Direction): NonNullable<PolicyMatch["localPref"]> {
  const localPref = localPreferenceOf(priority);
  return {
    atLeast: localPref,
    atMost: localPref,
    ...(direction === "export" && priority === normalMetric && { orAbsent: true }),
  };
}

function operationsOf({ addCommunity, prependASPath, setPriority }: BgpFilterOperation): PolicyOperation[] {
  if (addCommunity !== undefined) return addCommunities([addCommunity.value]);
  if (prependASPath !== undefined) return [{ type: "prepend-as-path", asNumbers: prependASPath.prefix }];
  if (setPriority !== undefined) return [{ type: "set-local-pref", value: localPreferenceOf(setPriority.value) }];
  return [];
}
