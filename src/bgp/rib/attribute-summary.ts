import { asPathLength, neighborAs } from "../as-path.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import { WellKnownCommunity } from "../packet/well-known-communities.ts";

/** What a set of attributes has, beside ORIGIN and AS_PATH. */
export const Trait = {
  med: 1,
  localPref: 2,
  originatorId: 4,
  clusterList: 8,
  /** A community of 65535:*, which may ask for something. */
  wellKnownCommunity: 16,
  /** LLGR_STALE. */
  lastResort: 32,
  extendedCommunity: 64,
  /** Confederation segments in the AS_PATH. */
  confederation: 128,
  onlyToCustomer: 256,
} as const;

/** What the choice among paths compares, taken out of the attributes once. */
export interface AttributeSummary {
  /** Bits of `Trait`. */
  traits: number;
  origin: number;
  asPathLength: number;
  /** As `neighborAs` of the AS_PATH. */
  neighborAs: number;
  /** 0 without one, and the same for `localPref`. */
  med: number;
  localPref: number;
}

const firstWellKnown = 0xffff0000;

/**
 * Fills `into` from attributes as `encodeSharedAttributes` writes them: ascending by code, so that ORIGIN and AS_PATH come
 * first.
 */
export function summarizeOctets(octets: Uint8Array, start: number, end: number, into: AttributeSummary): void {
  into.traits = 0;
  into.med = 0;
  into.localPref = 0;
  into.origin = octets[start + 3] ?? 0;
  let at = start + 4;
  while (at < end) {
    const code = octets[at + 1] ?? 0;
    const isLong = ((octets[at] ?? 0) & 0x10) !== 0;
    const length = isLong ? ((octets[at + 2] ?? 0) << 8) | (octets[at + 3] ?? 0) : (octets[at + 2] ?? 0);
    const value = at + (isLong ? 4 : 3);
    at = value + length;
    switch (code) {
      case 2:
        summarizeAsPath(octets, value, at, into);
        break;
      case 4:
        into.traits |= Trait.med;
        into.med = word(octets, value);
        break;
      case 5:
        into.traits |= Trait.localPref;
        into.localPref = word(octets, value);
        break;
      case 8:
        for (let item = value; item < at; item += 4)
          if (octets[item] === 0xff && octets[item + 1] === 0xff) addWellKnown(word(octets, item), into);
        break;
      case 9:
        into.traits |= Trait.originatorId;
        break;
      case 10:
        into.traits |= Trait.clusterList;
        break;
      case 16:
        into.traits |= Trait.extendedCommunity;
        break;
      case 35:
        into.traits |= Trait.onlyToCustomer;
        break;
    }
  }
}

/** The same for attributes that no octets stand for. */
export function summarizeObject(attributes: PathAttributes, into: AttributeSummary): void {
  const { med, localPref, originatorId, clusterList, communities, extendedCommunities, onlyToCustomer } = attributes;
  into.traits =
    (med === undefined ? 0 : Trait.med) |
    (localPref === undefined ? 0 : Trait.localPref) |
    (originatorId === undefined ? 0 : Trait.originatorId) |
    (clusterList.length === 0 ? 0 : Trait.clusterList) |
    (extendedCommunities.length === 0 ? 0 : Trait.extendedCommunity) |
    (onlyToCustomer === undefined ? 0 : Trait.onlyToCustomer) |
    (attributes.asPath.some(({ type }) => type.startsWith("confed")) ? Trait.confederation : 0);
  for (const community of communities) if (community >= firstWellKnown) addWellKnown(community, into);
  into.origin = attributes.origin;
  into.asPathLength = asPathLength(attributes.asPath);
  into.neighborAs = neighborAs(attributes.asPath);
  into.med = med ?? 0;
  into.localPref = localPref ?? 0;
}

function summarizeAsPath(octets: Uint8Array, start: number, end: number, into: AttributeSummary): void {
  into.asPathLength = 0;
  into.neighborAs = 0;
  for (let at = start; at < end; ) {
    const type = octets[at] ?? 0;
    const count = octets[at + 1] ?? 0;
    // Sets, which would count as one, are never decoded (RFC 9774).
    if (type === 2) {
      if (into.asPathLength === 0) into.neighborAs = word(octets, at + 2);
      into.asPathLength += count;
    } else into.traits |= Trait.confederation;
    at += 2 + 4 * count;
  }
}

function addWellKnown(community: number, into: AttributeSummary): void {
  into.traits |= Trait.wellKnownCommunity;
  if (community === WellKnownCommunity.longLivedStale) into.traits |= Trait.lastResort;
}

/** The unsigned 32-bit number at a place. */
export function word(octets: Uint8Array, at: number): number {
  return (
    (((octets[at] ?? 0) << 24) |
      ((octets[at + 1] ?? 0) << 16) |
      ((octets[at + 2] ?? 0) << 8) |
      (octets[at + 3] ?? 0)) >>>
    0
  );
}
