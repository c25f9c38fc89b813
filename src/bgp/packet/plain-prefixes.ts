import { extendedMaxMessageLength } from "./constants.ts";

/** Of several messages of ordinary length, or of one that is as long as can be. */
const capacity = extendedMaxMessageLength + 4096;
const longest = 32;
/** The bits of an address that a prefix of a length has. */
const masks = Int32Array.from({ length: longest + 1 }, (_, length) => (length === 0 ? 0 : -1 << (longest - length)));

/** IPv4 prefixes of NLRI fields, one behind the other, without path identifiers. */
export class PlainPrefixes {
  /** As signed numbers; host bits are zero. */
  readonly addresses = new Int32Array(capacity);
  readonly lengths = new Uint8Array(capacity);
  count = 0;

  /** True if there is no room for the prefixes of another message of any length. */
  get isFull(): boolean {
    return this.count > capacity - extendedMaxMessageLength;
  }

  /** Appends the prefixes of a field from `start` to `end` of `octets`. False if it is not well-formed; `count` is of no use then. */
  read(octets: Uint8Array, start: number, end: number): boolean {
    const { addresses, lengths } = this;
    let { count } = this;
    let at = start;
    while (at < end) {
      const length = octets[at] ?? 0;
      if (length > longest) return false;
      // Four octets whatever the length, which spares the processor to guess; those that are not the prefix's are masked.
      const address =
        at + 4 < octets.length
          ? ((octets[at + 1] ?? 0) << 24) |
            ((octets[at + 2] ?? 0) << 16) |
            ((octets[at + 3] ?? 0) << 8) |
            (octets[at + 4] ?? 0)
          : lastAddress(octets, at + 1);
      addresses[count] = address & (masks[length] ?? 0);
      lengths[count++] = length;
      at += 1 + ((length + 7) >> 3);
    }
    this.count = count;
    return at === end;
  }
}

/** As many of four octets as there are before the end, the others 0. */
function lastAddress(octets: Uint8Array, at: number): number {
  let address = 0;
  for (let index = 0; index < 4; index++) address = (address << 8) | (octets[at + index] ?? 0);
  return address;
}
