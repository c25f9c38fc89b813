import { hostIsLittleEndian } from "../sys/byte-order.ts";
import type { PacketMemory } from "../sys/packet-memory.ts";

/** Into 16 bits, with the carries (RFC 1071). */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/**
 * The sum of up to 64 KiB as Internet checksums have it, folded. It does not depend on the order of octets in words (RFC 1071
 * §2 B), so it is made in the machine's own and turned at the end.
 */
export function sumOctets({ bytes, words }: PacketMemory, at: number, length: number): number {
  const end = at + length;
  const isOdd = (at & 1) === 1;
  // With an odd beginning every octet counts in the other half of its word.
  let sum = isOdd && length > 0 ? asSecond(bytes[at] ?? 0) : 0;
  let word = (at + 1) >>> 1;
  const lastWord = end >>> 1;
  for (; word + 8 <= lastWord; word += 8)
    sum +=
      (words[word] ?? 0) +
      (words[word + 1] ?? 0) +
      (words[word + 2] ?? 0) +
      (words[word + 3] ?? 0) +
      (words[word + 4] ?? 0) +
      (words[word + 5] ?? 0) +
      (words[word + 6] ?? 0) +
      (words[word + 7] ?? 0);
  for (; word < lastWord; word++) sum += words[word] ?? 0;
  if ((end & 1) === 1 && length > 0) sum += asFirst(bytes[end - 1] ?? 0);
  const folded = fold(sum);
  return hostIsLittleEndian === isOdd ? folded : swap(folded);
}

function asFirst(octet: number): number {
  return hostIsLittleEndian ? octet : octet << 8;
}

function asSecond(octet: number): number {
  return hostIsLittleEndian ? octet << 8 : octet;
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}

/** The sum over a pseudo-header of IPv4 (RFC 9293 §3.1) for `length` octets of a protocol, folded. */
export function pseudoHeaderSum(view: DataView, at: number, protocol: number, length: number): number {
  let sum = protocol + length;
  for (let word = 12; word < 20; word += 2) sum += view.getUint16(at + word, false);
  return fold(sum);
}

/** Writes the checksum of the IPv4 header at `at`. */
export function writeHeaderChecksum(view: DataView, at: number): void {
  const length = (view.getUint8(at) & 15) * 4;
  view.setUint16(at + 10, 0, false);
  let sum = 0;
  for (let word = 0; word < length; word += 2) sum += view.getUint16(at + word, false);
  view.setUint16(at + 10, ~fold(sum) & 0xffff, false);
}
