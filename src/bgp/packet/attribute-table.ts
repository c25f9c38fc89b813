import { as4PathRule, asPathRule } from "./attribute-as-path.ts";
import {
  aggregatorRule,
  as4AggregatorRule,
  atomicAggregateRule,
  localPrefRule,
  medRule,
  nextHopRule,
  onlyToCustomerRule,
  originRule,
} from "./attribute-basic.ts";
import {
  clusterListRule,
  communitiesRule,
  extendedCommunitiesRule,
  largeCommunitiesRule,
  originatorIdRule,
} from "./attribute-communities.ts";
import { mpReachRule, mpUnreachRule } from "./attribute-multiprotocol.ts";
import {
  aigpRule,
  bgpLsRule,
  ipv6ExtendedCommunitiesRule,
  prefixSidRule,
  tunnelEncapsulationRule,
} from "./attribute-opaque.ts";
import type { AttributeRule } from "./attribute-rule.ts";
import type { CodecContext } from "./message.ts";

/**
 * Every path attribute that the codec knows, ascending by code. Decoding, encoding and the error handling of RFC 7606 all
 * follow from it; docs/bgp-attributes.md shows it to people.
 */
export const attributeRules: readonly AttributeRule[] = [
  originRule,
  asPathRule,
  nextHopRule,
  medRule,
  localPrefRule,
  atomicAggregateRule,
  aggregatorRule,
  communitiesRule,
  originatorIdRule,
  clusterListRule,
  mpReachRule,
  mpUnreachRule,
  extendedCommunitiesRule,
  as4PathRule,
  as4AggregatorRule,
  tunnelEncapsulationRule,
  ipv6ExtendedCommunitiesRule,
  aigpRule,
  bgpLsRule,
  largeCommunitiesRule,
  onlyToCustomerRule,
  prefixSidRule,
];

const ruleByCode: readonly (AttributeRule | undefined)[] = Array.from({ length: 256 }, (_, code) =>
  attributeRules.find((rule) => rule.code === code),
);

/** The rule for an attribute type code, or undefined for one that we do not know. */
export function attributeRule(code: number): AttributeRule | undefined {
  return ruleByCode[code];
}

/** True where the attribute has no meaning: it is dropped unread, and never sent. */
export function isUnread({ unread }: AttributeRule, context: CodecContext, hasIpv4Nlri: boolean): boolean {
  return (
    (unread === "external-peer" && context.peerType === "ebgp") ||
    (unread === "four-octet-peer" && context.fourOctetAs) ||
    (unread === "no-ipv4-nlri" && !hasIpv4Nlri)
  );
}
