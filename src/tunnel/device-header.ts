// struct virtio_net_hdr (linux/virtio_net.h), which stands before each packet of the TUN device: what is left to do to its
// checksum, and into which pieces it is to be cut.
import { hostIsLittleEndian } from "../sys/byte-order.ts";
import type { PacketMemory } from "../sys/packet-memory.ts";
import { fold, pseudoHeaderSum, sumOctets } from "./checksum.ts";
import { FRAGMENT, headerBytes } from "./packet.ts";

export const deviceHeaderBytes = 10;
export const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

const NEEDS_CHECKSUM = 1;
const CHECKSUM_IS_VALID = 2;
const SEGMENT_TCP4 = 1;
const SEGMENT_KIND = 0x7f;
/** What every pod can receive. */
const SAFE_MTU = 1280;

/** Offset of the checksum in each header. */
const checksumOffset: Readonly<Record<number, number>> = { [IPPROTO_TCP]: 16, [IPPROTO_UDP]: 6 };

/** The payload of each segment that the TCP packet behind the header at `at` has to be cut into; 0: it is none. */
export function segmentBytes(view: DataView, at: number): number {
  if ((view.getUint8(at + 1) & SEGMENT_KIND) !== SEGMENT_TCP4) return 0;
  return view.getUint16(at + 4, hostIsLittleEndian);
}

/** Completes the checksum of the packet of `length` octets at `packet`, if the header at `at` says that it is not. */
export function completeChecksum(memory: PacketMemory, at: number, packet: number, length: number): void {
  const { view } = memory;
  if ((view.getUint8(at) & NEEDS_CHECKSUM) === 0) return;
  const start = view.getUint16(at + 6, hostIsLittleEndian);
  const field = start + view.getUint16(at + 8, hostIsLittleEndian);
  if (field + 2 > length) return;
  const sum = ~sumOctets(memory, packet + start, length - start) & 0xffff;
  // Zero stands for no checksum in UDP, and for the same number elsewhere.
  view.setUint16(packet + field, sum === 0 ? 0xffff : sum, false);
}

/** The header at `at` for TCP of `length` octets at `packet` with `headers` of them, to be cut into segments, unless it is one. */
export function describeSegments(
  view: DataView,
  at: number,
  packet: number,
  { length, headers, segment }: { readonly length: number; readonly headers: number; readonly segment: number },
): void {
  const start = (view.getUint8(packet) & 15) * 4;
  view.setUint8(at, NEEDS_CHECKSUM);
  view.setUint8(at + 1, SEGMENT_TCP4);
  view.setUint16(at + 2, headers, hostIsLittleEndian);
  view.setUint16(at + 4, segment, hostIsLittleEndian);
  view.setUint16(at + 6, start, hostIsLittleEndian);
  view.setUint16(at + 8, 16, hostIsLittleEndian);
  view.setUint16(packet + start + 16, pseudoHeaderSum(view, packet, IPPROTO_TCP, length - start), false);
}

/** The header at `at` for a packet that is as it should be; `isVerified`: its checksum has been seen to be right. */
export function describeWhole(view: DataView, at: number, isVerified: boolean): void {
  for (let each = 0; each < deviceHeaderBytes; each += 2) view.setUint16(at + each, 0);
  if (isVerified) view.setUint8(at, CHECKSUM_IS_VALID);
}

/**
 * Writes the header at `at` for the packet at `packet` as it came. From another namespace of this machine, or from a network
 * card that merges what belongs together (GRO), packets come with no more than the sum of the pseudo-header as their checksum,
 * and TCP in pieces of up to 64 KiB: the device is told to complete the one and to cut the other if it exceeds its `mtu`. How
 * long the pieces were that the sender cut is lost, so they become short enough for any pod.
 */
export function describeForDevice(view: DataView, at: number, packet: number, mtu: number): void {
  describeWhole(view, at, false);
  const protocol = view.getUint8(packet + 9);
  const offset = checksumOffset[protocol];
  if (offset === undefined || (view.getUint16(packet + 6, false) & FRAGMENT) !== 0) return;
  const start = (view.getUint8(packet) & 15) * 4;
  const length = view.getUint16(packet + 2, false) - start;
  if (
    length < headerBytes ||
    view.getUint16(packet + start + offset, false) !== pseudoHeaderSum(view, packet, protocol, length)
  )
    return;
  view.setUint8(at, NEEDS_CHECKSUM);
  view.setUint16(at + 6, start, hostIsLittleEndian);
  view.setUint16(at + 8, offset, hostIsLittleEndian);
  if (protocol !== IPPROTO_TCP || start + length <= mtu) return;
  const headers = start + (view.getUint8(packet + start + 12) >> 4) * 4;
  const segment = Math.min(mtu, SAFE_MTU) - headers;
  if (headers > start + length || segment <= 0) return;
  view.setUint8(at + 1, SEGMENT_TCP4);
  view.setUint16(at + 2, headers, hostIsLittleEndian);
  view.setUint16(at + 4, segment, hostIsLittleEndian);
}

/** Whether the checksum of the unfragmented TCP packet at `packet`, of `length` octets, is complete and right. */
export function hasRightChecksum(memory: PacketMemory, packet: number, length: number): boolean {
  const start = (memory.view.getUint8(packet) & 15) * 4;
  const pseudo = pseudoHeaderSum(memory.view, packet, IPPROTO_TCP, length - start);
  return fold(sumOctets(memory, packet + start, length - start) + pseudo) === 0xffff;
}
