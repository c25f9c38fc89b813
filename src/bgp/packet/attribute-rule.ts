import type { IpAddress } from "../../net/address.ts";
import type { Aggregator, AsPath, LargeCommunity, Origin, PathAttributes, UnknownAttribute } from "./attributes.ts";
import type { Family } from "./family.ts";
import type { CodecContext, NextHop, Nlri } from "./message.ts";
import type { Reader } from "./reader.ts";

/** Bits of the attribute flags octet (RFC 4271 §4.3). */
export const AttributeFlag = { optional: 0x80, transitive: 0x40, partial: 0x20, extendedLength: 0x10 } as const;

/** What a malformed attribute does to the UPDATE (RFC 7606 §2), weakest first. */
export type AttributeOutcome = "attribute-discard" | "treat-as-withdraw" | "session-reset";

/** Optional and Transitive as an attribute must have them. */
export type AttributeCategory = "well-known" | "optional-transitive" | "optional-non-transitive";

/**
 * Where an attribute has no meaning and is dropped unread, malformed or not, and never sent:
 * external-peer: RFC 7606 §7.5, 7.9, 7.10; four-octet-peer: RFC 6793 §4.1; no-ipv4-nlri: RFC 4760 §3.
 */
export type UnreadCondition = "external-peer" | "four-octet-peer" | "no-ipv4-nlri";

/** Something wrong with one attribute. */
export interface AttributeFault {
  /** Subcode of error 3 if it comes to a reset (RFC 4271 §6.3). */
  readonly subcode: number;
  readonly reason: string;
  /** Where it differs from the rule's `onError`. */
  readonly outcome?: AttributeOutcome;
}

/** Subcodes of 3 (RFC 4271 §6.3). */
export const UpdateSubcode = {
  malformedAttributeList: 1,
  unrecognizedWellKnown: 2,
  missingWellKnown: 3,
  attributeFlags: 4,
  attributeLength: 5,
  invalidOrigin: 6,
  invalidNextHop: 8,
  optionalAttribute: 9,
  invalidNetworkField: 10,
  malformedAsPath: 11,
} as const;

/** MP_REACH_NLRI or MP_UNREACH_NLRI as read; `family` is undefined for one that the session did not agree on. */
export interface MultiprotocolRoutes {
  readonly family: Family | undefined;
  readonly nlri: readonly Nlri[];
  /** True if there are routes, also of a family that is ignored. */
  readonly hasRoutes: boolean;
  /** Only MP_REACH_NLRI of a known family. */
  readonly nextHop?: NextHop;
}

/** What the attributes of one UPDATE have said so far. */
export interface AttributeDraft {
  origin?: Origin;
  asPath?: AsPath;
  /** NEXT_HOP, for the routes of the NLRI field. */
  nextHop?: IpAddress;
  med?: number;
  localPref?: number;
  atomicAggregate: boolean;
  aggregator?: Aggregator;
  communities: readonly number[];
  extendedCommunities: readonly bigint[];
  largeCommunities: readonly LargeCommunity[];
  originatorId?: number;
  clusterList: readonly number[];
  onlyToCustomer?: number;
  as4Path?: AsPath;
  as4Aggregator?: Aggregator;
  reach?: MultiprotocolRoutes;
  unreach?: MultiprotocolRoutes;
  readonly unknown: UnknownAttribute[];
}

/** What the encoder writes attributes from. */
export interface AttributeSource {
  readonly attributes: PathAttributes;
  /** Next hop of the routes in the NLRI field; absent if there are none. */
  readonly nextHop?: IpAddress;
}

/** One row of the attribute table: everything that the codec knows about one attribute. */
export interface AttributeRule {
  readonly code: number;
  /** As IANA's registry has it. */
  readonly name: string;
  readonly category: AttributeCategory;
  readonly onError: AttributeOutcome;
  readonly unread?: UnreadCondition;
  /**
   * Reads the whole value into the draft; a value that is too short or too long need not be noticed here.
   * `keep` in place of a fault passes the attribute on as one that we do not interpret.
   */
  readonly decode: (value: Reader, draft: AttributeDraft, context: CodecContext) => AttributeFault | "keep" | undefined;
  /** The value, or undefined if the attribute is not to be sent. Absent where routes or `unknown` carry it. */
  readonly encode?: (source: AttributeSource, context: CodecContext) => Uint8Array | undefined;
}

/** The usual fault of a value of the wrong length (RFC 4271 §6.3). */
export function lengthFault(length: number, wanted: string): AttributeFault {
  return { subcode: UpdateSubcode.attributeLength, reason: `the length is ${length}, not ${wanted}` };
}
