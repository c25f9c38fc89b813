// What IPIP does to a packet (RFC 2003), as Linux's tunl0 does it. Everything works in place on memory whose neighbourhood
// is ours: the outer header lies directly before the inner packet.
import { hostIsLittleEndian } from "../sys/byte-order.ts";

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
/** struct virtio_net_hdr, which stands before each packet of the TUN device. */
export const deviceHeaderBytes = 10;

const IPPROTO_IPIP = 4;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const DONT_FRAGMENT = 0x4000;
const FRAGMENT = 0x3fff;
const ECN = 3;
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
 * Looks at a packet of protocol 4 at `at`, of `length` octets. Returns where the inner packet begins, or what is wrong. A
 * congestion mark of the outer header goes over to the inner one.
 */
export function decapsulate(view: DataView, at: number, length: number): number | DropReason {
  const problem = checkInner(view, at, length);
  if (problem !== undefined) return problem;
  const outerHeader = (view.getUint8(at) & 15) * 4;
  if (view.getUint8(at + 9) !== IPPROTO_IPIP) return "malformed";
  const inner = at + outerHeader;
  const innerProblem = checkInner(view, inner, length - outerHeader);
  if (innerProblem !== undefined) return innerProblem;
  if ((view.getUint8(at + 1) & ECN) !== CONGESTION_EXPERIENCED) return inner;
  const tos = view.getUint8(inner + 1);
  if ((tos & ECN) === 0) return "congestionMark";
  if ((tos & ECN) !== CONGESTION_EXPERIENCED) markCongestion(view, inner, tos);
  return inner;
}

/** The checksum follows by the difference (RFC 1624 §3). */
function markCongestion(view: DataView, at: number, tos: number): void {
  const change = (tos | ECN) - tos;
  const sum = (~view.getUint16(at + 10, false) & 0xffff) + change;
  view.setUint8(at + 1, tos | ECN);
  view.setUint16(at + 10, ~((sum & 0xffff) + (sum >> 16)) & 0xffff, false);
}

/** linux/virtio_net.h: flags and gso_type. */
const NEEDS_CHECKSUM = 1;
const SEGMENT_TCP4 = 1;
/** What every pod can receive. */
const SAFE_MTU = 1280;

/** Offset of the checksum in each header. */
const checksumOffset: Readonly<Record<number, number>> = { [IPPROTO_TCP]: 16, [IPPROTO_UDP]: 6 };

/**
 * Writes the device's header before the packet at `at`. From another namespace of this machine, or from a network card that
 * merges what belongs together (GRO), packets come with no more than the sum of the pseudo-header as their checksum, and TCP
 * in pieces of up to 64 KiB: the device is told to complete the one and to cut the other if it exceeds its `mtu`. How long the
 * pieces were that the sender cut is lost, so they become short enough for any pod.
 */
export function describeForDevice(view: DataView, at: number, mtu: number): void {
  const description = at - deviceHeaderBytes;
  view.setUint32(description, 0);
  view.setUint32(description + 4, 0);
  view.setUint16(description + 8, 0);
  const protocol = view.getUint8(at + 9);
  const offset = checksumOffset[protocol];
  if (offset === undefined || (view.getUint16(at + 6, false) & FRAGMENT) !== 0) return;
  const start = (view.getUint8(at) & 15) * 4;
  const length = view.getUint16(at + 2, false) - start;
  if (
    length < headerBytes ||
    view.getUint16(at + start + offset, false) !== pseudoHeaderSum(view, at, protocol, length)
  )
    return;
  view.setUint8(description, NEEDS_CHECKSUM);
  view.setUint16(description + 6, start, hostIsLittleEndian);
  view.setUint16(description + 8, offset, hostIsLittleEndian);
  if (protocol !== IPPROTO_TCP || start + length <= mtu) return;
  const headers = start + (view.getUint8(at + start + 12) >> 4) * 4;
  const segment = Math.min(mtu, SAFE_MTU) - headers;
  if (headers > start + length || segment <= 0) return;
  view.setUint8(description + 1, SEGMENT_TCP4);
  view.setUint16(description + 2, headers, hostIsLittleEndian);
  view.setUint16(description + 4, segment, hostIsLittleEndian);
}

function pseudoHeaderSum(view: DataView, at: number, protocol: number, length: number): number {
  let sum = protocol + length;
  for (let word = 12; word < headerBytes; word += 2) sum += view.getUint16(at + word, false);
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16);
}
