import { IpAddress } from "../../net/address.ts";
import { hostIsLittleEndian } from "../../sys/byte-order.ts";
import { NetlinkError } from "../errors.ts";

const ATTRIBUTE_HEADER_BYTES = 4;
/** Without NLA_F_NESTED and NLA_F_NET_BYTEORDER. */
const ATTRIBUTE_TYPE_MASK = 0x3fff;

/**
 * Reads a range of octets from the front and cannot leave it: whatever wants more than is there throws
 * `MALFORMED_MESSAGE`. Numbers are in the host's byte order unless said.
 */
export class ByteReader {
  readonly #view: DataView;
  #end: number;
  #position: number;

  private constructor(view: DataView, position: number, end: number) {
    this.#view = view;
    this.#position = position;
    this.#end = end;
  }

  static over(bytes: Uint8Array): ByteReader {
    return new ByteReader(new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, bytes.byteLength);
  }

  /** Octets that are left. */
  get remaining(): number {
    return this.#end - this.#position;
  }

  u8(): number {
    return this.#view.getUint8(this.#advance(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#advance(2), hostIsLittleEndian);
  }

  /** In network byte order. */
  u16be(): number {
    return this.#view.getUint16(this.#advance(2), false);
  }

  u32(): number {
    return this.#view.getUint32(this.#advance(4), hostIsLittleEndian);
  }

  i32(): number {
    return this.#view.getInt32(this.#advance(4), hostIsLittleEndian);
  }

  skip(octets: number): void {
    this.#advance(octets);
  }

  /** The next octets as a reader of their own. */
  take(octets: number): ByteReader {
    const start = this.#advance(octets);
    return new ByteReader(this.#view, start, start + octets);
  }

  /** As `take`, and then skips what fills up to a multiple of four; the last range of all may lack its filling. */
  takeAligned(octets: number): ByteReader {
    const taken = this.take(octets);
    this.#position = Math.min(this.#position + (-octets & 3), this.#end);
    return taken;
  }

  /** The rest as an address in network byte order; it must be 4 or 16 octets. */
  address(): IpAddress {
    if (this.remaining === 4) return IpAddress.v4(this.#word());
    if (this.remaining === 16) return IpAddress.v6(this.#word(), this.#word(), this.#word(), this.#word());
    throw malformed(`an address of ${this.remaining} octets`);
  }

  /** The rest as `ee:ee:ee:ee:ee:ee`, of whatever length. */
  macAddress(): string {
    const octets: string[] = [];
    while (this.remaining > 0) octets.push(this.u8().toString(16).padStart(2, "0"));
    return octets.join(":");
  }

  /** The rest up to a NUL as UTF-8. */
  text(): string {
    const octets: number[] = [];
    while (this.remaining > 0) {
      const octet = this.u8();
      if (octet === 0) break;
      octets.push(octet);
    }
    return Buffer.from(octets).toString("utf8");
  }

  /**
   * Calls `visit` for each attribute (u16 length, u16 type, value, filling) of the rest. The value's reader is good for that
   * call only: it is the same one each time.
   */
  attributes(visit: (type: number, value: ByteReader) => void): void {
    const value = new ByteReader(this.#view, 0, 0);
    while (this.remaining > 0) {
      if (this.remaining < ATTRIBUTE_HEADER_BYTES) throw malformed(`${this.remaining} octets after the last attribute`);
      const length = this.u16();
      const type = this.u16() & ATTRIBUTE_TYPE_MASK;
      if (length < ATTRIBUTE_HEADER_BYTES) throw malformed(`attribute ${type} says it is ${length} octets long`);
      value.#position = this.#advance(length - ATTRIBUTE_HEADER_BYTES);
      value.#end = this.#position;
      this.#position = Math.min(this.#position + (-length & 3), this.#end);
      visit(type, value);
    }
  }

  #word(): number {
    return this.#view.getUint32(this.#advance(4), false);
  }

  #advance(octets: number): number {
    const start = this.#position;
    if (octets > this.#end - start) throw malformed(`${octets} octets are wanted where ${this.#end - start} are left`);
    this.#position = start + octets;
    return start;
  }
}

export function malformed(what: string): NetlinkError {
  return new NetlinkError("MALFORMED_MESSAGE", `not an rtnetlink message: ${what}`);
}
