import { writeHeaderChecksum } from "../../src/tunnel/checksum.ts";

/** What a test says of a TCP packet between pods; the rest is always the same. */
export interface TcpShape {
  readonly sourcePort?: number;
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly flags?: number;
  readonly identification?: number;
  readonly fragment?: number;
  readonly options?: readonly number[];
  readonly payload: Uint8Array;
}

const source = 0x0af40001;
const destination = 0x0af40101;

/** An IPv4 packet with TCP in it; all checksums are right. */
export function tcpPacket(shape: TcpShape): Uint8Array {
  const { sourcePort = 1000, sequence = 1, acknowledgement = 7, flags = 0x10, options = [], payload } = shape;
  const headers = 40 + options.length;
  const bytes = new Uint8Array(headers + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, bytes.length);
  view.setUint16(4, shape.identification ?? 0);
  view.setUint16(6, shape.fragment ?? 0x4000);
  view.setUint8(8, 63);
  view.setUint8(9, 6);
  view.setUint32(12, source);
  view.setUint32(16, destination);
  writeHeaderChecksum(view, 0);
  view.setUint16(20, sourcePort);
  view.setUint16(22, 80);
  view.setUint32(24, sequence);
  view.setUint32(28, acknowledgement);
  view.setUint8(32, ((20 + options.length) / 4) << 4);
  view.setUint8(33, flags);
  view.setUint16(34, 500);
  bytes.set(options, 40);
  bytes.set(payload, headers);
  view.setUint16(36, naiveChecksum(bytes));
  return bytes;
}

/** What the checksum of the TCP packet has to be, octet by octet, whatever its field holds. */
export function naiveChecksum(packet: Uint8Array): number {
  const segment = packet.slice(20);
  segment[16] = 0;
  segment[17] = 0;
  const pseudo = [...packet.slice(12, 20), 0, 6, segment.length >> 8, segment.length & 255];
  return ~naiveSum([...pseudo, ...segment]) & 0xffff;
}

/** The folded sum of octets, two by two. */
export function naiveSum(octets: readonly number[] | Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < octets.length; at += 2) {
    sum += ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}
