// "Fragmentation needed" (RFC 792, RFC 1191): what a router says to the sender of a packet that is too large for the next link.
import type { PacketMemory } from "../sys/packet-memory.ts";
import { fold, sumOctets } from "./checksum.ts";
import { headerBytes } from "./packet.ts";

const IPPROTO_ICMP = 1;
const DESTINATION_UNREACHABLE = 3;
const FRAGMENTATION_NEEDED = 4;
const ICMP_HEADER_BYTES = 8;
const TTL = 64;
const INTERNETWORK_CONTROL = 0xc0;
/** Types of messages about errors, to which nobody answers (RFC 1122 §3.2.2). */
const errorTypes: readonly number[] = [3, 4, 5, 11, 12];

/** The most octets that an answer has. */
export const answerBytes = headerBytes + ICMP_HEADER_BYTES + 60 + 8;

/**
 * Writes to `to` the answer to the packet at `packet`: at most `mtu` octets get through. Source, identification and the
 * header's checksum are left for the kernel. Returns its length; 0 if nobody is to be answered.
 */
export function writeTooBig(memory: PacketMemory, packet: number, to: number, mtu: number): number {
  const { bytes, view } = memory;
  const header = (view.getUint8(packet) & 15) * 4;
  const sender = view.getUint32(packet + 12, false);
  const isFirst = (view.getUint16(packet + 6, false) & 0x1fff) === 0;
  const isIcmp = view.getUint8(packet + 9) === IPPROTO_ICMP;
  // Neither "this network" nor multicast and what is above it.
  if (!isFirst || sender >>> 24 === 0 || sender >>> 28 >= 14) return 0;
  if (isIcmp && errorTypes.includes(view.getUint8(packet + header))) return 0;
  const quoted = Math.min(header + 8, view.getUint16(packet + 2, false));
  const length = headerBytes + ICMP_HEADER_BYTES + quoted;
  const message = to + headerBytes;
  bytes.fill(0, to, message + ICMP_HEADER_BYTES);
  bytes.copyWithin(message + ICMP_HEADER_BYTES, packet, packet + quoted);
  view.setUint8(to, 0x45);
  view.setUint8(to + 1, INTERNETWORK_CONTROL);
  view.setUint16(to + 2, length, false);
  view.setUint8(to + 8, TTL);
  view.setUint8(to + 9, IPPROTO_ICMP);
  view.setUint32(to + 16, sender, false);
  view.setUint8(message, DESTINATION_UNREACHABLE);
  view.setUint8(message + 1, FRAGMENTATION_NEEDED);
  view.setUint16(message + 6, mtu, false);
  view.setUint16(message + 2, ~fold(sumOctets(memory, message, ICMP_HEADER_BYTES + quoted)) & 0xffff, false);
  return length;
}
