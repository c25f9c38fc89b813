// What IPIP does to a packet (RFC 2003), as Linux's tunl0 does it. Everything works in place on memory whose neighbourhood
// is ours: the outer header lies directly before the inner packet.
import { fold, writeHeaderChecksum } from "./checksum.ts";

/** Why a packet goes nowhere. */
export const dropReasons = [
  /** No tunnelled route leads to its destination. */
  "noRoute",
  /** Neither a node nor where a route leads to has the sender's address. */
  "foreign",
  /** The inner packet is no IPv4. */
  "notIpv4",
  /** Lengths that contradict each other, or less than a header. */
  "malformed",
  /** Congestion experienced on the way, by a packet that cannot say so (RFC 6040 §4.2). */
  "congestionMark",
  /** More octets than the way to the other node carries, and not to be fragmented. */
  "tooBig",
  /** A queue of the kernel was full. */
  "congested",
  /** No way to the other node. */
  "unreachable",
  /** The kernel refused it for another reason, such as a firewall's. */
  "refused",
] as const;
export type DropReason = (typeof dropReasons)[number];

/** Of an IPv4 header without options. */
export const headerBytes = 20;
export const DONT_FRAGMENT = 0x4000;
/** More fragments, and the offset: 0 if the packet is whole. */
export const FRAGMENT = 0x3fff;

const IPPROTO_IPIP = 4;
const ECN = 3;
const NOT_CAPABLE = 0;
const CAPABLE_1 = 1;
const CAPABLE_0 = 2;
const CONGESTION_EXPERIENCED = 3;

/** Undefined if there is an IPv4 packet of at most `length` octets at `at`, else what is wrong with it. */
export function checkInner(view: DataView, at: number, length: number): DropReason | undefined {
  if (length < 1) return "malformed";
  const first = view.getUint8(at);
  if (first >> 4 !== 4) return "notIpv4";
  if (length < headerBytes) return "malformed";
  const header = (first & 15) * 4;
  const total = view.getUint16(at + 2, false);
  return header < headerBytes || total < header || total > length ? "malformed" : undefined;
}

/**
 * Writes the outer header before the inner packet at `at`, as the kernel does for a tunnel without settings of its own: TTL
 * and don't-fragment of the inner packet, its ECN bits (RFC 6040 §4.1, compatibility: a mark made before stays inside) and no
 * DSCP. With `dontFragment` no outer packet may be cut, whatever the inner one says. Source, identification, total length and checksum are left for the kernel, which fills in what is zero.
 */
export function encapsulate(view: DataView, at: number, destination: number, dontFragment: boolean): void {
  const ecn = view.getUint8(at + 1) & ECN;
  const outer = at - headerBytes;
  view.setUint8(outer, 0x45);
  view.setUint8(outer + 1, ecn === CONGESTION_EXPERIENCED ? 2 : ecn);
  view.setUint16(outer + 2, headerBytes + view.getUint16(at + 2, false), false);
  view.setUint16(outer + 4, 0, false);
  view.setUint16(outer + 6, dontFragment ? DONT_FRAGMENT : view.getUint16(at + 6, false) & DONT_FRAGMENT, false);
  view.setUint8(outer + 8, view.getUint8(at + 8));
  view.setUint8(outer + 9, IPPROTO_IPIP);
  view.setUint16(outer + 10, 0, false);
  view.setUint32(outer + 12, 0, false);
  view.setUint32(outer + 16, destination, false);
}

/**
 * Looks at a packet of protocol 4 at `at`, of `length` octets. Returns where the inner packet begins, or what is wrong. What
 * the outer header says of congestion goes over to the inner one (RFC 6040 §4.2).
 */
export function decapsulate(view: DataView, at: number, length: number): number | DropReason {
  const problem = checkInner(view, at, length);
  if (problem !== undefined) return problem;
  const outerHeader = (view.getUint8(at) & 15) * 4;
  if (view.getUint8(at + 9) !== IPPROTO_IPIP) return "malformed";
  const inner = at + outerHeader;
  const innerProblem = checkInner(view, inner, length - outerHeader);
  if (innerProblem !== undefined) return innerProblem;
  const outerMark = view.getUint8(at + 1) & ECN;
  const tos = view.getUint8(inner + 1);
  const innerMark = tos & ECN;
  if (outerMark === CONGESTION_EXPERIENCED) {
    if (innerMark === NOT_CAPABLE) return "congestionMark";
    if (innerMark !== CONGESTION_EXPERIENCED) setMark(view, inner, tos, CONGESTION_EXPERIENCED);
  } else if (outerMark === CAPABLE_1 && innerMark === CAPABLE_0) setMark(view, inner, tos, CAPABLE_1);
  return inner;
}

/** The checksum follows by the difference (RFC 1624 §3). */
function setMark(view: DataView, at: number, tos: number, mark: number): void {
  const marked = (tos & ~ECN) | mark;
  const sum = (~view.getUint16(at + 10, false) & 0xffff) + (~tos & 0xffff) + marked;
  view.setUint8(at + 1, marked);
  view.setUint16(at + 10, ~fold(sum) & 0xffff, false);
}

/** Writes the length of an IPv4 packet, and then the checksum of its header. */
export function writeLength(view: DataView, at: number, length: number): void {
  view.setUint16(at + 2, length, false);
  writeHeaderChecksum(view, at);
}
