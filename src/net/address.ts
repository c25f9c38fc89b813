import { Address6 } from "ip-address";
import { AddressError } from "./errors.ts";

export type AddressFamily = 4 | 6;

/**
 * An IPv4 or IPv6 address as four unsigned 32-bit words; an IPv4 address is in `w0` and the others are 0.
 * Immutable. Compare with `equals`/`compare`, hash with `hash`; never use the text as a key in a hot path.
 */
export class IpAddress {
  readonly family: AddressFamily;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;

  private constructor(family: AddressFamily, w0: number, w1: number, w2: number, w3: number) {
    this.family = family;
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
  }

  /** An IPv4 address from its number, 0 … 2^32-1 (10.0.0.1 is 0x0a000001). */
  static v4(value: number): IpAddress {
    return new IpAddress(4, value >>> 0, 0, 0, 0);
  }

  /** An IPv6 address from its four 32-bit words, most significant first. */
  static v6(w0: number, w1: number, w2: number, w3: number): IpAddress {
    return new IpAddress(6, w0 >>> 0, w1 >>> 0, w2 >>> 0, w3 >>> 0);
  }

  /** From 4 or 16 octets in network order; throws `INVALID_ADDRESS` for any other length. */
  static fromBytes(bytes: Uint8Array): IpAddress {
    if (bytes.length === 4) return IpAddress.v4(readWord(bytes, 0));
    if (bytes.length === 16)
      return IpAddress.v6(readWord(bytes, 0), readWord(bytes, 4), readWord(bytes, 8), readWord(bytes, 12));
    throw new AddressError("INVALID_ADDRESS", `an address has 4 or 16 octets, not ${bytes.length}`, {
      value: bytes.length,
    });
  }

  /** Parses `10.0.0.1` or `fd00::1` (no mask, no zone, no leading zeros in IPv4); throws `INVALID_ADDRESS`. */
  static parse(text: string): IpAddress {
    const parsed = IpAddress.tryParse(text);
    if (parsed === undefined)
      throw new AddressError("INVALID_ADDRESS", `"${text}" is not an IP address such as 10.0.0.1 or fd00::1`, {
        value: text,
      });
    return parsed;
  }

  /** As `parse`, but undefined instead of an error. */
  static tryParse(text: string): IpAddress | undefined {
    const value = parseDottedQuad(text);
    if (value >= 0) return IpAddress.v4(value);
    if (!text.includes(":") || text.includes("/") || text.includes("%") || !Address6.isValid(text)) return undefined;
    const integer = new Address6(text).bigInt();
    return IpAddress.v6(
      Number(integer >> 96n),
      Number((integer >> 64n) & 0xffffffffn),
      Number((integer >> 32n) & 0xffffffffn),
      Number(integer & 0xffffffffn),
    );
  }

  /** Number of bits: 32 or 128. */
  get bits(): 32 | 128 {
    return this.family === 4 ? 32 : 128;
  }

  equals(other: IpAddress): boolean {
    return (
      this.w0 === other.w0 &&
      this.w1 === other.w1 &&
      this.w2 === other.w2 &&
      this.w3 === other.w3 &&
      this.family === other.family
    );
  }

  /** Total order: IPv4 before IPv6, then by value. Negative, zero or positive as `Array.sort` wants it. */
  compare(other: IpAddress): number {
    return (
      this.family - other.family || this.w0 - other.w0 || this.w1 - other.w1 || this.w2 - other.w2 || this.w3 - other.w3
    );
  }

  /** A well mixed 32-bit hash: every bit of the address moves every bit of the result. */
  hash(): number {
    let mixed = this.w0 ^ this.family;
    if (this.family === 6) {
      mixed = mixBits(mixed) ^ this.w1;
      mixed = mixBits(mixed) ^ this.w2;
      mixed = mixBits(mixed) ^ this.w3;
    }
    return mixBits(mixed);
  }

  /** The address `offset` further on, modulo the family's size. `offset` is a safe integer, negative allowed. */
  plus(offset: number): IpAddress {
    if (this.family === 4) return IpAddress.v4(this.w0 + (offset % 2 ** 32));
    const sum = BigInt.asUintN(128, this.toBigInt() + BigInt(offset));
    return IpAddress.v6(
      Number(sum >> 96n),
      Number((sum >> 64n) & 0xffffffffn),
      Number((sum >> 32n) & 0xffffffffn),
      Number(sum & 0xffffffffn),
    );
  }

  /** The value as an unsigned integer of `bits` bits. */
  toBigInt(): bigint {
    if (this.family === 4) return BigInt(this.w0);
    return (BigInt(this.w0) << 96n) | (BigInt(this.w1) << 64n) | (BigInt(this.w2) << 32n) | BigInt(this.w3);
  }

  /** 4 or 16 octets in network order. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(this.family === 4 ? 4 : 16);
    writeWord(bytes, 0, this.w0);
    if (this.family === 6) {
      writeWord(bytes, 4, this.w1);
      writeWord(bytes, 8, this.w2);
      writeWord(bytes, 12, this.w3);
    }
    return bytes;
  }

  /** Bit `index` counted from the most significant one (0), as 0 or 1; 0 beyond the address's end. */
  bitAt(index: number): 0 | 1 {
    const word = index < 32 ? this.w0 : index < 64 ? this.w1 : index < 96 ? this.w2 : index < 128 ? this.w3 : 0;
    return ((word >>> (31 - (index & 31))) & 1) === 0 ? 0 : 1;
  }

  /** Number of leading bits that two addresses of one family share. */
  commonBits(other: IpAddress): number {
    if (this.w0 !== other.w0 || this.family === 4) return Math.clz32(this.w0 ^ other.w0);
    if (this.w1 !== other.w1) return 32 + Math.clz32(this.w1 ^ other.w1);
    if (this.w2 !== other.w2) return 64 + Math.clz32(this.w2 ^ other.w2);
    return 96 + Math.clz32(this.w3 ^ other.w3);
  }

  /** Canonical text: RFC 5952 for IPv6, with its §5 dotted form for IPv4-mapped addresses (::ffff:192.0.2.1). */
  toString(): string {
    if (this.family === 4) return formatDottedQuad(this.w0);
    if (this.w0 === 0 && this.w1 === 0 && this.w2 === 0xffff) return `::ffff:${formatDottedQuad(this.w3)}`;
    return formatGroups([this.w0, this.w1, this.w2, this.w3].flatMap((word) => [word >>> 16, word & 0xffff]));
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Bijective mix of a 32-bit word: multiply and fold twice, so that high input bits reach low output bits. */
export function mixBits(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x7feb352d);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** The number of a dotted quad, or -1. Stricter than inet_aton: four decimal parts without leading zeros. */
function parseDottedQuad(text: string): number {
  let value = 0;
  let part = -1;
  let parts = 0;
  for (let index = 0; index <= text.length; index++) {
    const char = index === text.length ? 46 : text.charCodeAt(index);
    if (char === 46) {
      if (part < 0 || parts === 4) return -1;
      value = value * 256 + part;
      parts++;
      part = -1;
    } else if (char >= 48 && char <= 57) {
      if (part === 0) return -1;
      part = (part < 0 ? 0 : part * 10) + (char - 48);
      if (part > 255) return -1;
    } else return -1;
  }
  return parts === 4 ? value : -1;
}

function formatDottedQuad(value: number): string {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`;
}

/** Eight 16-bit groups with the first longest run of at least two zero groups written as `::` (RFC 5952 §4.2). */
function formatGroups(groups: readonly number[]): string {
  let bestStart = -1;
  let bestLength = 1;
  let length = 0;
  for (const [index, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > bestLength) {
      bestLength = length;
      bestStart = index - length + 1;
    }
  }
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(":");
  if (bestStart < 0) return text(groups);
  return `${text(groups.slice(0, bestStart))}::${text(groups.slice(bestStart + bestLength))}`;
}

function readWord(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0
  );
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}
