import { type AttributeRule, lengthFault, UpdateSubcode } from "./attribute-rule.ts";
import { type Aggregator, Origin } from "./attributes.ts";
import { asTrans, maxUint32 } from "./constants.ts";
import { BgpPacketError, requireInteger } from "./errors.ts";
import { isUsableNextHop } from "./next-hop.ts";
import type { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

const noOctets = new Uint8Array(0);

export const originRule: AttributeRule = {
  code: 1,
  name: "ORIGIN",
  category: "well-known",
  onError: "treat-as-withdraw",
  decode(value, draft) {
    if (value.remaining !== 1) return lengthFault(value.remaining, "1");
    const origin = value.u8();
    if (origin !== Origin.igp && origin !== Origin.egp && origin !== Origin.incomplete)
      return { subcode: UpdateSubcode.invalidOrigin, reason: `the value ${origin} is not 0, 1 or 2` };
    draft.origin = origin;
    return undefined;
  },
  encode: ({ attributes }) => new Uint8Array([requireInteger("origin", attributes.origin, 0, 2)]),
};

export const nextHopRule: AttributeRule = {
  code: 3,
  name: "NEXT_HOP",
  category: "well-known",
  onError: "treat-as-withdraw",
  unread: "no-ipv4-nlri",
  decode(value, draft) {
    if (value.remaining !== 4) return lengthFault(value.remaining, "4");
    const nextHop = value.ipv4();
    // RFC 4271 §6.3: a semantically wrong next hop makes the route unusable, and nothing worse.
    if (!isUsableNextHop(nextHop))
      return { subcode: UpdateSubcode.invalidNextHop, reason: `${nextHop} cannot be a next hop` };
    draft.nextHop = nextHop;
    return undefined;
  },
  encode: ({ nextHop }) => nextHop?.toBytes(),
};

export const medRule: AttributeRule = {
  code: 4,
  name: "MULTI_EXIT_DISC",
  category: "optional-non-transitive",
  onError: "treat-as-withdraw",
  decode(value, draft) {
    if (value.remaining !== 4) return lengthFault(value.remaining, "4");
    draft.med = value.u32();
    return undefined;
  },
  encode: ({ attributes }) => encodeUint32("med", attributes.med),
};

export const localPrefRule: AttributeRule = {
  code: 5,
  name: "LOCAL_PREF",
  category: "well-known",
  onError: "treat-as-withdraw",
  unread: "external-peer",
  decode(value, draft) {
    if (value.remaining !== 4) return lengthFault(value.remaining, "4");
    draft.localPref = value.u32();
    return undefined;
  },
  encode: ({ attributes }) => encodeUint32("localPref", attributes.localPref),
};

export const atomicAggregateRule: AttributeRule = {
  code: 6,
  name: "ATOMIC_AGGREGATE",
  category: "well-known",
  onError: "attribute-discard",
  decode(value, draft) {
    if (value.remaining !== 0) return lengthFault(value.remaining, "0");
    draft.atomicAggregate = true;
    return undefined;
  },
  encode: ({ attributes }) => (attributes.atomicAggregate ? noOctets : undefined),
};

export const aggregatorRule: AttributeRule = {
  code: 7,
  name: "AGGREGATOR",
  category: "optional-transitive",
  onError: "attribute-discard",
  decode(value, draft, context) {
    const wanted = context.fourOctetAs ? 8 : 6;
    if (value.remaining !== wanted) return lengthFault(value.remaining, `${wanted}`);
    const aggregator = readAggregator(value, context.fourOctetAs ? 4 : 2);
    if (aggregator === undefined) return asZeroFault;
    draft.aggregator = aggregator;
    return undefined;
  },
  encode({ attributes: { aggregator } }, { fourOctetAs }) {
    if (aggregator === undefined) return undefined;
    if (fourOctetAs) return encodeAggregator(aggregator);
    checkAggregator(aggregator);
    const asNumber = aggregator.asNumber > 65535 ? asTrans : aggregator.asNumber;
    return new Writer(6).u16(asNumber).address(aggregator.address).toBytes();
  },
};

export const as4AggregatorRule: AttributeRule = {
  code: 18,
  name: "AS4_AGGREGATOR",
  category: "optional-transitive",
  onError: "attribute-discard",
  unread: "four-octet-peer",
  decode(value, draft) {
    if (value.remaining !== 8) return lengthFault(value.remaining, "8");
    const aggregator = readAggregator(value, 4);
    if (aggregator === undefined) return asZeroFault;
    draft.as4Aggregator = aggregator;
    return undefined;
  },
  encode({ attributes: { aggregator } }) {
    return aggregator === undefined || aggregator.asNumber <= 65535 ? undefined : encodeAggregator(aggregator);
  },
};

/** RFC 9234 §5. */
export const onlyToCustomerRule: AttributeRule = {
  code: 35,
  name: "Only to Customer (OTC)",
  category: "optional-transitive",
  onError: "treat-as-withdraw",
  decode(value, draft) {
    if (value.remaining !== 4) return lengthFault(value.remaining, "4");
    draft.onlyToCustomer = value.u32();
    return undefined;
  },
  encode: ({ attributes }) => encodeUint32("onlyToCustomer", attributes.onlyToCustomer),
};

const asZeroFault = { subcode: UpdateSubcode.optionalAttribute, reason: "the AS number is 0 (RFC 7607)" };

function readAggregator(value: Reader, asOctets: 2 | 4): Aggregator | undefined {
  const asNumber = asOctets === 4 ? value.u32() : value.u16();
  const address = value.ipv4();
  return asNumber === 0 ? undefined : { asNumber, address };
}

function encodeAggregator(aggregator: Aggregator): Uint8Array {
  checkAggregator(aggregator);
  return new Writer(8).u32(aggregator.asNumber).address(aggregator.address).toBytes();
}

function checkAggregator({ asNumber, address }: Aggregator): void {
  requireInteger("aggregator.asNumber", asNumber, 1, maxUint32);
  if (address.family !== 4)
    throw new BgpPacketError("VALUE_OUT_OF_RANGE", `aggregator.address is ${address}, which is not IPv4`, {
      field: "aggregator.address",
      value: address,
    });
}

function encodeUint32(field: string, value: number | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : new Writer(4).u32(requireInteger(field, value, 0, maxUint32)).toBytes();
}
