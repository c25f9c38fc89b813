import type { IpAddress } from "../../net/address.ts";

/** Appends octets in network order to a buffer that grows. Values are the caller's to check; excess bits are cut off. */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 64) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#bytes[at] = value >>> 8;
    this.#bytes[at + 1] = value;
    return this;
  }

  u32(value: number): this {
    return this.leftAligned(value, 4);
  }

  u64(value: bigint): this {
    return this.u32(Number((value >> 32n) & 0xffffffffn)).u32(Number(value & 0xffffffffn));
  }

  /** The `octets` most significant octets (0 … 4) of an unsigned 32-bit number. */
  leftAligned(word: number, octets: number): this {
    const at = this.#reserve(octets);
    for (let index = 0; index < octets; index++) this.#bytes[at + index] = word >>> (24 - 8 * index);
    return this;
  }

  address(address: IpAddress): this {
    this.u32(address.w0);
    return address.family === 4 ? this : this.u32(address.w1).u32(address.w2).u32(address.w3);
  }

  bytes(octets: Uint8Array): this {
    const at = this.#reserve(octets.length);
    this.#bytes.set(octets, at);
    return this;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** Forgets what was written and keeps the memory. */
  clear(): void {
    this.#length = 0;
  }

  #reserve(octets: number): number {
    const at = this.#length;
    const wanted = at + octets;
    if (wanted > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(wanted, this.#bytes.length * 2));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#length = wanted;
    return at;
  }
}
