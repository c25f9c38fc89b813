// Cutting a packet: TCP into segments (as the kernel's TSO does it), anything else into fragments (RFC 791). Each piece gets
// headers of its own; what follows them stays where it is.
import type { PacketMemory } from "../sys/packet-memory.ts";
import { fold, pseudoHeaderSum, sumOctets } from "./checksum.ts";
import { IPPROTO_TCP } from "./device-header.ts";
import { headerBytes, writeLength } from "./packet.ts";

const FIN_PSH = 0x09;
const CWR = 0x80;
const MORE_FRAGMENTS = 0x2000;

/** Length of the IPv4 and TCP headers of the packet at `at`. */
export function tcpHeadersLength(view: DataView, at: number): number {
  const start = (view.getUint8(at) & 15) * 4;
  return start + (view.getUint8(at + start + 12) >> 4) * 4;
}

/**
 * Writes to `to` the headers of the segment of the TCP packet at `from` whose payload of `length` octets begins `offset` into
 * the whole payload of `total`; `index` counts the segments.
 */
export function writeSegmentHeaders(
  memory: PacketMemory,
  { from, to, headers }: { readonly from: number; readonly to: number; readonly headers: number },
  { index, offset, length, total }: { index: number; offset: number; length: number; total: number },
): void {
  const { bytes, view } = memory;
  bytes.copyWithin(to, from, from + headers);
  const start = (view.getUint8(from) & 15) * 4;
  const tcp = to + start;
  view.setUint16(to + 4, (view.getUint16(from + 4, false) + index) & 0xffff, false);
  writeLength(view, to, headers + length);
  view.setUint32(tcp + 4, (view.getUint32(from + start + 4, false) + offset) >>> 0, false);
  let flags = view.getUint8(tcp + 13);
  if (offset + length < total) flags &= ~FIN_PSH;
  if (index > 0) flags &= ~CWR;
  view.setUint8(tcp + 13, flags);
  view.setUint16(tcp + 16, 0, false);
  const sum =
    pseudoHeaderSum(view, to, IPPROTO_TCP, headers - start + length) +
    sumOctets(memory, tcp, headers - start) +
    sumOctets(memory, from + headers + offset, length);
  view.setUint16(tcp + 16, ~fold(sum) & 0xffff, false);
}

/** Writes to `to` the header of the fragment of the packet at `from` whose `length` octets begin `offset` behind its header. */
export function writeFragmentHeader(
  { bytes, view }: PacketMemory,
  { from, to }: { readonly from: number; readonly to: number },
  { offset, length, isLast }: { offset: number; length: number; isLast: boolean },
): void {
  bytes.copyWithin(to, from, from + headerBytes);
  const before = view.getUint16(from + 6, false);
  const more = isLast ? before & MORE_FRAGMENTS : MORE_FRAGMENTS;
  view.setUint16(to + 6, more | ((before & 0x1fff) + offset / 8), false);
  writeLength(view, to, headerBytes + length);
}
