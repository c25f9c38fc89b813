import { type AttributeFault, type AttributeRule, type MultiprotocolRoutes, UpdateSubcode } from "./attribute-rule.ts";
import { type Family, familyOf } from "./family.ts";
import type { CodecContext, Nlri } from "./message.ts";
import { isUsableNextHop, readIpv6NextHop } from "./next-hop.ts";
import { decodeNlri } from "./nlri.ts";
import type { Reader } from "./reader.ts";

/** RFC 4760 §3. A field that cannot be read leaves its routes unknown, so nothing but a reset helps (RFC 7606 §5.3). */
export const mpReachRule: AttributeRule = {
  code: 14,
  name: "MP_REACH_NLRI",
  category: "optional-non-transitive",
  onError: "session-reset",
  decode(value, draft, context) {
    const family = readFamily(value, context);
    const nextHopLength = value.u8();
    const nextHopField = value.take(nextHopLength);
    // Once a count of SNPAs, now reserved and to be ignored (RFC 4760 §3).
    value.u8();
    if (value.overran) return optionalFault("the next hop or what follows it is cut off");
    if (family === undefined) {
      draft.reach = skipRoutes(value);
      return undefined;
    }
    if (!nextHopLengths(family, context).includes(nextHopLength))
      return optionalFault(`a next hop of ${nextHopLength} octets does not fit ${family}`);
    const nextHop = nextHopLength === 4 ? { address: nextHopField.ipv4() } : readIpv6NextHop(nextHopField);
    const routes = readRoutes(value, family, context);
    if ("subcode" in routes) return routes;
    draft.reach = { ...routes, nextHop };
    if (routes.hasRoutes && !isUsableNextHop(nextHop.address))
      return {
        subcode: UpdateSubcode.invalidNextHop,
        reason: `${nextHop.address} cannot be a next hop`,
        outcome: "treat-as-withdraw",
      };
    return undefined;
  },
};

/** In octets: an IPv4 address, an IPv6 address, or that and a link-local one (RFC 2545 §3, RFC 8950 §3). */
function nextHopLengths(family: Family, { ipv4OverIpv6 }: CodecContext): readonly number[] {
  if (family === "ipv6-unicast") return [16, 32];
  return ipv4OverIpv6 === true ? [4, 16, 32] : [4];
}

/** RFC 4760 §4. */
export const mpUnreachRule: AttributeRule = {
  code: 15,
  name: "MP_UNREACH_NLRI",
  category: "optional-non-transitive",
  onError: "session-reset",
  decode(value, draft, context) {
    const family = readFamily(value, context);
    if (value.overran) return optionalFault("the address family is cut off");
    const routes = family === undefined ? skipRoutes(value) : readRoutes(value, family, context);
    if ("subcode" in routes) return routes;
    draft.unreach = routes;
    return undefined;
  },
};

/** Undefined for a family that the session did not agree on: RFC 4760 §7 has its routes ignored. */
function readFamily(value: Reader, context: CodecContext): Family | undefined {
  const afi = value.u16();
  const family = familyOf({ afi, safi: value.u8() });
  return family !== undefined && context.families.includes(family) ? family : undefined;
}

function skipRoutes(value: Reader): MultiprotocolRoutes {
  return { family: undefined, nlri: [], hasRoutes: value.copyRest().length > 0 };
}

function readRoutes(value: Reader, family: Family, context: CodecContext): MultiprotocolRoutes | AttributeFault {
  const nlri: Nlri[] = [];
  const wrong = decodeNlri(value, family, context.addPathReceive.includes(family), nlri);
  if (wrong !== undefined) return { subcode: UpdateSubcode.invalidNetworkField, reason: wrong };
  return { family, nlri, hasRoutes: nlri.length > 0 };
}

function optionalFault(reason: string): AttributeFault {
  return { subcode: UpdateSubcode.optionalAttribute, reason };
}
