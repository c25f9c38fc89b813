import type { IpAddress } from "../../net/address.ts";

/** ORIGIN (RFC 4271 §5.1.1). */
export const Origin = { igp: 0, egp: 1, incomplete: 2 } as const;
export type Origin = (typeof Origin)[keyof typeof Origin];

export interface AsPathSegment {
  readonly type: "sequence" | "set" | "confed-sequence" | "confed-set";
  /** 1 … 255 AS numbers, each an unsigned 32-bit integer. */
  readonly asNumbers: readonly number[];
}

/** AS_PATH after the AS4_PATH merge (RFC 6793 §4.2.3): always four-octet AS numbers. */
export type AsPath = readonly AsPathSegment[];

export interface Aggregator {
  readonly asNumber: number;
  readonly address: IpAddress;
}

/** RFC 8092: three unsigned 32-bit numbers. */
export interface LargeCommunity {
  readonly global: number;
  readonly local1: number;
  readonly local2: number;
}

/** An attribute that we do not interpret, kept for passing on. `flags` is the wire's octet without Extended Length. */
export interface UnknownAttribute {
  readonly flags: number;
  readonly code: number;
  readonly value: Uint8Array;
}

/**
 * The path attributes of a route (RFC 4271 §5), without the next hop and the NLRI, which belong to an address family.
 * Immutable and shared by all routes of one UPDATE. Absent lists are empty, absent values are undefined.
 */
export interface PathAttributes {
  readonly origin: Origin;
  readonly asPath: AsPath;
  readonly med?: number;
  readonly localPref?: number;
  readonly atomicAggregate: boolean;
  readonly aggregator?: Aggregator;
  /** RFC 1997, as unsigned 32-bit numbers, in the order received. */
  readonly communities: readonly number[];
  /** RFC 4360, as unsigned 64-bit numbers, in the order received. */
  readonly extendedCommunities: readonly bigint[];
  readonly largeCommunities: readonly LargeCommunity[];
  /** RFC 4456; a BGP identifier as an unsigned 32-bit number. */
  readonly originatorId?: number;
  /** RFC 4456; cluster identifiers as unsigned 32-bit numbers, nearest first. */
  readonly clusterList: readonly number[];
  /** RFC 9234 §5, OTC: the AS whose customers alone may still hear of the route. */
  readonly onlyToCustomer?: number;
  /** Optional transitive attributes that we do not know, Partial bit already set; ascending by code. */
  readonly unknown: readonly UnknownAttribute[];
}
