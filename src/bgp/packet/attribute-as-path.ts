import { type AttributeFault, type AttributeRule, UpdateSubcode } from "./attribute-rule.ts";
import type { AsPath, AsPathSegment } from "./attributes.ts";
import { asTrans, maxUint32 } from "./constants.ts";
import { BgpPacketError, requireInteger } from "./errors.ts";
import type { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** Segment types by their number less one (RFC 4271 §4.3, RFC 5065 §3). */
const segmentTypes: readonly AsPathSegment["type"][] = ["set", "sequence", "confed-sequence", "confed-set"];

const maxSegmentLength = 255;

export const asPathRule: AttributeRule = {
  code: 2,
  name: "AS_PATH",
  category: "well-known",
  onError: "treat-as-withdraw",
  decode(value, draft, context) {
    const path = readAsPath(value, context.fourOctetAs ? 4 : 2);
    if (!Array.isArray(path)) return path;
    if (context.peerType === "ebgp" && path.some(isConfederation))
      return malformed("a confederation segment from outside the confederation (RFC 5065 §5)");
    draft.asPath = path;
    return undefined;
  },
  encode({ attributes }, context) {
    // RFC 5065 §5.3: what the confederation looks like inside stays inside.
    const path = context.peerType === "ebgp" ? withoutConfederation(attributes.asPath) : attributes.asPath;
    return encodeAsPath(path, context.fourOctetAs ? 4 : 2);
  },
};

export const as4PathRule: AttributeRule = {
  code: 17,
  name: "AS4_PATH",
  category: "optional-transitive",
  onError: "attribute-discard",
  unread: "four-octet-peer",
  decode(value, draft) {
    if (value.remaining === 0) return malformed("it is empty (RFC 6793 §6)");
    const path = readAsPath(value, 4);
    if (!Array.isArray(path)) return path;
    draft.as4Path = withoutConfederation(path);
    return undefined;
  },
  encode({ attributes }) {
    const path = withoutConfederation(attributes.asPath);
    return path.some(({ asNumbers }) => asNumbers.some((asNumber) => asNumber > 65535))
      ? encodeAsPath(path, 4)
      : undefined;
  },
};

function readAsPath(value: Reader, asOctets: 2 | 4): AsPathSegment[] | AttributeFault {
  const segments: AsPathSegment[] = [];
  let hasSet = false;
  let hasZero = false;
  while (value.remaining > 0) {
    const typeNumber = value.u8();
    const count = value.u8();
    const type = segmentTypes[typeNumber - 1];
    if (type === undefined) return malformed(`segment type ${typeNumber} is unknown`);
    if (count === 0) return malformed("a segment holds no AS number");
    const numbers = value.take(count * asOctets);
    if (value.overran) return malformed("a segment is cut off");
    const asNumbers: number[] = [];
    while (numbers.remaining > 0) {
      const asNumber = asOctets === 4 ? numbers.u32() : numbers.u16();
      if (asNumber === 0) hasZero = true;
      asNumbers.push(asNumber);
    }
    if (type === "set" || type === "confed-set") hasSet = true;
    segments.push({ type, asNumbers });
  }
  if (hasZero) return malformed("AS number 0 (RFC 7607)");
  // RFC 9774 §3 says treat-as-withdraw for AS4_PATH as well.
  if (hasSet) return { ...malformed("an AS_SET or AS_CONFED_SET (RFC 9774)"), outcome: "treat-as-withdraw" };
  return segments;
}

function malformed(reason: string): AttributeFault {
  return { subcode: UpdateSubcode.malformedAsPath, reason };
}

function isConfederation(segment: AsPathSegment): boolean {
  return segment.type === "confed-sequence" || segment.type === "confed-set";
}

function withoutConfederation(path: AsPath): AsPath {
  return path.filter((segment) => !isConfederation(segment));
}

/** Segments of more than 255 AS numbers are split, since a sequence means the same in pieces. */
function encodeAsPath(path: AsPath, asOctets: 2 | 4): Uint8Array {
  const writer = new Writer();
  for (const { type, asNumbers } of path) {
    if (type === "set" || type === "confed-set")
      throw new BgpPacketError("AS_SET_FORBIDDEN", `asPath has a segment of type ${type}, which RFC 9774 forbids`, {
        field: "asPath",
        value: asNumbers,
      });
    requireInteger("length of an asPath segment", asNumbers.length, 1, maxUint32);
    for (let start = 0; start < asNumbers.length; start += maxSegmentLength) {
      const piece = asNumbers.slice(start, start + maxSegmentLength);
      writer.u8(segmentTypes.indexOf(type) + 1).u8(piece.length);
      for (const asNumber of piece) {
        requireInteger("asPath", asNumber, 1, maxUint32);
        if (asOctets === 4) writer.u32(asNumber);
        else writer.u16(asNumber > 65535 ? asTrans : asNumber);
      }
    }
  }
  return writer.toBytes();
}

/**
 * The path that a two-octet speaker's AS_PATH and AS4_PATH mean together (RFC 6793 §4.2.3): AS4_PATH, preceded by as many
 * leading hops of AS_PATH as that one is longer. A shorter AS_PATH makes AS4_PATH void.
 */
export function mergeAs4Path(asPath: AsPath, as4Path: AsPath): AsPath {
  let surplus = countHops(asPath) - countHops(as4Path);
  if (surplus < 0) return asPath;
  const merged: AsPathSegment[] = [];
  for (const segment of asPath) {
    // A confederation segment goes with the hops before it, and has none itself.
    if (isConfederation(segment)) {
      merged.push(segment);
      continue;
    }
    if (surplus === 0) break;
    const asNumbers = segment.asNumbers.slice(0, surplus);
    surplus -= asNumbers.length;
    merged.push({ type: segment.type, asNumbers });
    if (asNumbers.length < segment.asNumbers.length) break;
  }
  const [first, ...others] = as4Path;
  const last = merged.at(-1);
  if (
    first !== undefined &&
    last !== undefined &&
    last.type === "sequence" &&
    first.type === "sequence" &&
    last.asNumbers.length + first.asNumbers.length <= maxSegmentLength
  ) {
    merged[merged.length - 1] = { type: "sequence", asNumbers: [...last.asNumbers, ...first.asNumbers] };
    return [...merged, ...others];
  }
  return [...merged, ...as4Path];
}

/** Confederation segments count nothing (RFC 5065 §5.3), and a path with a set does not come this far. */
function countHops(path: AsPath): number {
  let hops = 0;
  for (const segment of path) if (!isConfederation(segment)) hops += segment.asNumbers.length;
  return hops;
}
