import { type AttributeFault, type AttributeRule, lengthFault, UpdateSubcode } from "./attribute-rule.ts";

/*
 * Attributes that we check and pass on, but do not interpret. The junk in them has broken other speakers, so a malformed one
 * goes no further than here.
 */

/** RFC 9012 §2: TLVs of tunnel types, each a list of sub-TLVs with a one- or two-octet length. */
export const tunnelEncapsulationRule: AttributeRule = {
  code: 23,
  name: "Tunnel Encapsulation",
  category: "optional-transitive",
  onError: "attribute-discard",
  decode(value) {
    while (value.remaining > 0) {
      value.u16();
      const tunnel = value.take(value.u16());
      if (value.overran) return tlvFault("a tunnel TLV is cut off");
      while (tunnel.remaining > 0) {
        const type = tunnel.u8();
        tunnel.take(type < 128 ? tunnel.u8() : tunnel.u16());
      }
      if (tunnel.overran) return tlvFault("a sub-TLV is cut off");
    }
    return "keep";
  },
};

/** RFC 5701. */
export const ipv6ExtendedCommunitiesRule: AttributeRule = {
  code: 25,
  name: "IPv6 Address Specific Extended Community",
  category: "optional-transitive",
  onError: "treat-as-withdraw",
  decode(value) {
    const length = value.remaining;
    if (length === 0 || length % 20 !== 0) return lengthFault(length, "a positive multiple of 20");
    return "keep";
  },
};

/** RFC 7311 §3: of the TLVs only type 1 has a fixed length, 11. The length counts type and length too. */
export const aigpRule: AttributeRule = {
  code: 26,
  name: "AIGP",
  category: "optional-non-transitive",
  onError: "attribute-discard",
  decode(value) {
    if (value.remaining === 0) return tlvFault("it is empty");
    while (value.remaining > 0) {
      const type = value.u8();
      const length = value.u16();
      if (length < 3 || (type === 1 && length !== 11)) return tlvFault(`TLV ${type} has the length ${length}`);
      value.take(length - 3);
      if (value.overran) return tlvFault(`TLV ${type} is cut off`);
    }
    return "keep";
  },
};

/** RFC 9552 §5.3. */
export const bgpLsRule: AttributeRule = {
  code: 29,
  name: "BGP-LS Attribute",
  category: "optional-non-transitive",
  onError: "attribute-discard",
  decode(value) {
    while (value.remaining > 0) {
      const type = value.u16();
      value.take(value.u16());
      if (value.overran) return tlvFault(`TLV ${type} is cut off`);
    }
    return "keep";
  },
};

/** RFC 8669 §3: TLVs with a one-octet type and a two-octet length; the label index TLV (1) has 7 octets. */
export const prefixSidRule: AttributeRule = {
  code: 40,
  name: "BGP Prefix-SID",
  category: "optional-transitive",
  onError: "attribute-discard",
  decode(value) {
    while (value.remaining > 0) {
      const type = value.u8();
      const tlv = value.take(value.u16());
      if (value.overran) return tlvFault(`TLV ${type} is cut off`);
      if (type === 1 && tlv.remaining !== 7) return tlvFault(`TLV 1 has the length ${tlv.remaining}, not 7`);
    }
    return "keep";
  },
};

function tlvFault(reason: string): AttributeFault {
  return { subcode: UpdateSubcode.optionalAttribute, reason };
}
