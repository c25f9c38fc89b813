import { headerLength, MessageType } from "./constants.ts";
import type { CodecContext } from "./message.ts";
import { PlainPrefixes } from "./plain-prefixes.ts";

/** What a plain attribute must be: its flags, and how long its value. 0 octets: `unit` decides alone. */
interface PlainAttribute {
  readonly flags: number;
  /** Exact length, or undefined for a list. */
  readonly length?: number;
  /** A list is a positive multiple of this. */
  readonly unit?: number;
  /** Not read from another AS (RFC 7606 §7.5, 7.9, 7.10). */
  readonly insideAs?: true;
}

const wellKnown = 0x40;
const optionalTransitive = 0xc0;
const optionalNonTransitive = 0x80;

/** By code; what is not here is left to the decoder. */
const plainAttributes: readonly (PlainAttribute | undefined)[] = Array.from({ length: 256 }, (_, code) => {
  switch (code) {
    case 1:
      return { flags: wellKnown, length: 1 };
    case 2:
      return { flags: wellKnown, unit: 1 };
    case 3:
      return { flags: wellKnown, length: 4 };
    case 4:
      return { flags: optionalNonTransitive, length: 4 };
    case 5:
      return { flags: wellKnown, length: 4, insideAs: true };
    case 6:
      return { flags: wellKnown, length: 0 };
    case 7:
      return { flags: optionalTransitive, length: 8 };
    case 8:
      return { flags: optionalTransitive, unit: 4 };
    case 9:
      return { flags: optionalNonTransitive, length: 4, insideAs: true };
    case 10:
      return { flags: optionalNonTransitive, unit: 4, insideAs: true };
    case 16:
      return { flags: optionalTransitive, unit: 8 };
    case 32:
      return { flags: optionalTransitive, unit: 12 };
    default:
      return undefined;
  }
});

const shortestUpdate = headerLength + 4;
const markerLength = 16;
const longValue = 0x10;
const asPathCode = 2;
const nextHopCode = 3;

/**
 * Reads an UPDATE of the kind that full tables consist of, with IPv4 routes only and nothing unusual about its attributes, from
 * octets to octets. What it accepts `decodeUpdate` accepts without a problem and with the same result; whatever it does not accept,
 * right or wrong, has to be decoded. A test holds one against the other.
 */
export class UpdateScan {
  /** The attributes as `encodeSharedAttributes` writes them, from 0 to `attributesLength`; 0 where no routes are announced. */
  readonly attributes: Uint8Array;
  attributesLength = 0;
  /** NEXT_HOP, if routes are announced. */
  nextHop = 0;
  /** Of this message and of those before it, until somebody clears it: the withdrawn routes, then the announced ones. */
  readonly prefixes = new PlainPrefixes();
  /** Where in `prefixes` the announced routes begin. */
  announcedStart = 0;
  /** Where the message ends. */
  end = 0;

  /** `attributes` is where to put these, 65536 octets. */
  constructor(attributes: Uint8Array) {
    this.attributes = attributes;
  }

  /**
   * Reads the message that begins at `start` of `octets`, of which those from `end` on do not count. True if all of it is there and
   * it is of that kind; then the fields say what is in it.
   */
  read(octets: Uint8Array, start: number, end: number, context: CodecContext): boolean {
    const length = messageLength(octets, start, end);
    if (length < shortestUpdate || length > context.maxMessageLength) return false;
    const { count } = this.prefixes;
    this.end = start + length;
    this.attributesLength = 0;
    if (this.#readBody(octets, start + headerLength, context)) return true;
    this.prefixes.count = count;
    return false;
  }

  #readBody(octets: Uint8Array, start: number, context: CodecContext): boolean {
    const { prefixes, end } = this;
    const withdrawnEnd = start + 2 + u16(octets, start);
    const attributesStart = withdrawnEnd + 2;
    if (attributesStart > end || !prefixes.read(octets, start + 2, withdrawnEnd)) return false;
    this.announcedStart = prefixes.count;
    const attributesEnd = attributesStart + u16(octets, withdrawnEnd);
    // Nothing announced: nothing but withdrawn routes.
    if (attributesEnd === end) return attributesStart === end && withdrawnEnd > start + 2;
    return (
      attributesEnd < end &&
      prefixes.read(octets, attributesEnd, end) &&
      this.#readAttributes(octets, attributesStart, attributesEnd, context.peerType === "ebgp")
    );
  }

  #readAttributes(octets: Uint8Array, start: number, end: number, isExternal: boolean): boolean {
    let lastCode = 0;
    let seen = 0;
    let to = 0;
    for (let at = start; at < end; ) {
      const flags = octets[at] ?? 0;
      const code = octets[at + 1] ?? 0;
      const rule = plainAttributes[code];
      if (rule === undefined || code <= lastCode) return false;
      lastCode = code;
      const isLong = (flags & longValue) !== 0;
      const value = at + (isLong ? 4 : 3);
      const length = isLong ? u16(octets, at + 2) : (octets[at + 2] ?? 0);
      const next = value + length;
      if (next > end) return false;
      if (code <= nextHopCode) seen |= 1 << code;
      if (rule.insideAs === undefined || !isExternal) {
        if ((flags & ~longValue) !== rule.flags || isLong !== length > 255) return false;
        if (rule.unit === undefined ? length !== rule.length : length % rule.unit !== 0) return false;
        if (!isPlainValue(octets, code, value, next)) return false;
        if (code === nextHopCode) this.nextHop = u32(octets, value);
        else for (let from = at; from < next; from++) this.attributes[to++] = octets[from] ?? 0;
      }
      at = next;
    }
    this.attributesLength = to;
    return seen === 0b1110;
  }
}

/** The length of the UPDATE at a place, 0 if it is something else or not all there. */
function messageLength(octets: Uint8Array, start: number, end: number): number {
  if (start + shortestUpdate > end || octets[start + headerLength - 1] !== MessageType.update) return 0;
  let marker = 0xff;
  for (let at = start; at < start + markerLength; at++) marker &= octets[at] ?? 0;
  const length = u16(octets, start + markerLength);
  return marker === 0xff && start + length <= end ? length : 0;
}

function isPlainValue(octets: Uint8Array, code: number, start: number, end: number): boolean {
  switch (code) {
    case 1:
      return (octets[start] ?? 0) <= 2;
    case asPathCode:
      return isPlainAsPath(octets, start, end);
    case nextHopCode: {
      const first = octets[start] ?? 0;
      return first !== 0 && first !== 127 && first < 224;
    }
    case 7:
      return u32(octets, start) !== 0;
    case 8:
    case 10:
    case 16:
    case 32:
      return end > start;
    default:
      return true;
  }
}

/** Sequences of AS numbers other than 0. */
function isPlainAsPath(octets: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end) {
    const count = octets[at + 1] ?? 0;
    const next = at + 2 + 4 * count;
    if (octets[at] !== 2 || count === 0 || next > end) return false;
    for (at += 2; at < next; at += 4)
      if (((octets[at] ?? 0) | (octets[at + 1] ?? 0) | (octets[at + 2] ?? 0) | (octets[at + 3] ?? 0)) === 0)
        return false;
  }
  return true;
}

function u16(octets: Uint8Array, at: number): number {
  return ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
}

function u32(octets: Uint8Array, at: number): number {
  return ((u16(octets, at) << 16) | u16(octets, at + 2)) >>> 0;
}
