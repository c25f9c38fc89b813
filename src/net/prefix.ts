import { type AddressFamily, IpAddress, mixBits } from "./address.ts";
import { AddressError } from "./errors.ts";

/**
 * An address range of 2^(bits-length) addresses whose first one is `address`. Host bits are always zero, so that two
 * prefixes are equal exactly when their words and lengths are. Immutable.
 */
export class Prefix {
  readonly address: IpAddress;
  readonly length: number;

  private constructor(address: IpAddress, length: number) {
    this.address = address;
    this.length = length;
  }

  /** The prefix of `length` bits that contains `address`; host bits are cleared. Throws `INVALID_PREFIX`. */
  static of(address: IpAddress, length: number): Prefix {
    if (!Number.isInteger(length) || length < 0 || length > address.bits)
      throw new AddressError(
        "INVALID_PREFIX",
        `prefix length ${length} of ${address} is not an integer from 0 to ${address.bits}`,
        { value: length },
      );
    return new Prefix(maskAddress(address, length), length);
  }

  /** The /32 or /128 of one address. */
  static host(address: IpAddress): Prefix {
    return new Prefix(address, address.bits);
  }

  /** Parses `10.0.0.0/26`; throws `INVALID_PREFIX`, or `HOST_BITS_SET` for `10.0.0.1/26`. */
  static parse(text: string): Prefix {
    const { address, length } = parseCidr(text);
    const masked = maskAddress(address, length);
    if (!masked.equals(address))
      throw new AddressError("HOST_BITS_SET", `"${text}" has host bits set; the prefix would be ${masked}/${length}`, {
        value: text,
      });
    return new Prefix(address, length);
  }

  /** As `parse`, but undefined instead of an error. */
  static tryParse(text: string): Prefix | undefined {
    try {
      return Prefix.parse(text);
    } catch {
      return undefined;
    }
  }

  get family(): AddressFamily {
    return this.address.family;
  }

  /** Number of bits of an address of this family: 32 or 128. */
  get bits(): 32 | 128 {
    return this.address.bits;
  }

  /** True for a /32 or /128. */
  get isHost(): boolean {
    return this.length === this.bits;
  }

  /** Number of addresses, as a double (exact up to 2^53). */
  get size(): number {
    return 2 ** (this.bits - this.length);
  }

  equals(other: Prefix): boolean {
    return this.length === other.length && this.address.equals(other.address);
  }

  /** Total order: family, then first address, then the shorter prefix first. */
  compare(other: Prefix): number {
    return this.address.compare(other.address) || this.length - other.length;
  }

  /** A well mixed 32-bit hash. */
  hash(): number {
    return mixBits(this.address.hash() ^ this.length);
  }

  /** True if the address lies in this prefix (never across families). */
  containsAddress(address: IpAddress): boolean {
    const own = this.address;
    if (address.family !== own.family || ((address.w0 ^ own.w0) & wordMask(this.length)) !== 0) return false;
    // Tables of hundreds of thousands of IPv4 prefixes ask this more than anything else.
    if (this.length <= 32) return true;
    return (
      ((address.w1 ^ own.w1) & wordMask(this.length - 32)) === 0 &&
      ((address.w2 ^ own.w2) & wordMask(this.length - 64)) === 0 &&
      ((address.w3 ^ own.w3) & wordMask(this.length - 96)) === 0
    );
  }

  /** True if `other` is this prefix or lies inside it. */
  contains(other: Prefix): boolean {
    return other.length >= this.length && this.containsAddress(other.address);
  }

  /** True if the two share an address. */
  overlaps(other: Prefix): boolean {
    return this.contains(other) || other.contains(this);
  }

  /** The `index`-th sub-prefix of `length` bits, e.g. block 3 of a pool. Throws `INVALID_PREFIX` outside the range. */
  subnet(length: number, index: number): Prefix {
    const inRange = length >= this.length && length <= this.bits && index >= 0 && index < 2 ** (length - this.length);
    if (!inRange || !Number.isInteger(length) || !Number.isInteger(index))
      throw new AddressError("INVALID_PREFIX", `${this} has no sub-prefix number ${index} of length ${length}`, {
        value: index,
      });
    if (this.family === 4) return new Prefix(this.address.plus(index * 2 ** (32 - length)), length);
    const shifted = this.address.toBigInt() + (BigInt(index) << BigInt(128 - length));
    return new Prefix(
      IpAddress.v6(
        Number(shifted >> 96n),
        Number((shifted >> 64n) & 0xffffffffn),
        Number((shifted >> 32n) & 0xffffffffn),
        Number(shifted & 0xffffffffn),
      ),
      length,
    );
  }

  toString(): string {
    return `${this.address}/${this.length}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

/** Splits `10.0.0.7/24` into the address (host bits kept) and the length; throws `INVALID_PREFIX`. */
export function parseCidr(text: string): { address: IpAddress; length: number } {
  const slash = text.indexOf("/");
  const address = slash > 0 ? IpAddress.tryParse(text.slice(0, slash)) : undefined;
  const lengthText = text.slice(slash + 1);
  const length = /^(0|[1-9]\d{0,2})$/.test(lengthText) ? Number(lengthText) : -1;
  if (address === undefined || length < 0 || length > address.bits)
    throw new AddressError("INVALID_PREFIX", `"${text}" is not a prefix such as 10.0.0.0/26 or fd00::/122`, {
      value: text,
    });
  return { address, length };
}

function maskAddress(address: IpAddress, length: number): IpAddress {
  if (length === address.bits) return address;
  if (address.family === 4) {
    const masked = (address.w0 & wordMask(length)) >>> 0;
    return masked === address.w0 ? address : IpAddress.v4(masked);
  }
  return IpAddress.v6(
    address.w0 & wordMask(length),
    address.w1 & wordMask(length - 32),
    address.w2 & wordMask(length - 64),
    address.w3 & wordMask(length - 96),
  );
}

/** Mask of the first `bits` bits of a 32-bit word, for any integer. */
function wordMask(bits: number): number {
  if (bits <= 0) return 0;
  return bits >= 32 ? 0xffffffff : 0xffffffff << (32 - bits);
}
