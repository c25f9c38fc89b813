import { IpAddress } from "../../net/address.ts";

const empty = new Uint8Array(0);

/**
 * Reads forward over a bounded range of octets and never outside it. A read past the end gives zeros (or an empty reader),
 * uses up the range and sets `overran`, so that a decoder may read a whole structure and ask once whether it was there,
 * and a loop over `remaining` always ends.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  #offset: number;
  #overran = false;

  private constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#offset = start;
    this.#end = end;
  }

  static of(bytes: Uint8Array): Reader {
    return new Reader(bytes, 0, bytes.length);
  }

  get remaining(): number {
    return this.#end - this.#offset;
  }

  /** True once a read has asked for more octets than there were. */
  get overran(): boolean {
    return this.#overran;
  }

  /** The next octet without taking it; undefined at the end. */
  peek(): number | undefined {
    return this.remaining > 0 ? this.#at(this.#offset) : undefined;
  }

  u8(): number {
    return this.#advance(1) ? this.#at(this.#offset - 1) : 0;
  }

  u16(): number {
    return this.#advance(2) ? (this.#at(this.#offset - 2) << 8) | this.#at(this.#offset - 1) : 0;
  }

  u32(): number {
    return this.leftAligned(4);
  }

  u64(): bigint {
    const high = this.u32();
    return (BigInt(high) << 32n) | BigInt(this.u32());
  }

  /** 0 … 4 octets as the most significant ones of an unsigned 32-bit number, as a prefix has them. */
  leftAligned(octets: number): number {
    if (octets === 0 || !this.#advance(octets)) return 0;
    const from = this.#offset - octets;
    let word = this.#at(from) << 24;
    if (octets > 1) word |= this.#at(from + 1) << 16;
    if (octets > 2) word |= this.#at(from + 2) << 8;
    if (octets > 3) word |= this.#at(from + 3);
    return word >>> 0;
  }

  ipv4(): IpAddress {
    return IpAddress.v4(this.u32());
  }

  ipv6(): IpAddress {
    const w0 = this.u32();
    const w1 = this.u32();
    const w2 = this.u32();
    return IpAddress.v6(w0, w1, w2, this.u32());
  }

  /** A reader of the next `length` octets; this one goes on after them. */
  take(length: number): Reader {
    if (!this.#advance(length)) return new Reader(empty, 0, 0);
    return new Reader(this.#bytes, this.#offset - length, this.#offset);
  }

  /** A copy of what remains, which is used up. */
  copyRest(): Uint8Array {
    const rest = this.#bytes.slice(this.#offset, this.#end);
    this.#offset = this.#end;
    return rest;
  }

  /** A copy of the whole range, wherever reading has come to. */
  copyAll(): Uint8Array {
    return this.#bytes.slice(this.#start, this.#end);
  }

  #advance(octets: number): boolean {
    if (octets > this.#end - this.#offset) {
      this.#offset = this.#end;
      this.#overran = true;
      return false;
    }
    this.#offset += octets;
    return true;
  }

  #at(index: number): number {
    return this.#bytes[index] ?? 0;
  }
}

/** The octets as a plain Uint8Array over the same memory: a Buffer's `slice` would not copy. */
export function plainBytes(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}
