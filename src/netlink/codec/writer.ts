import type { IpAddress } from "../../net/address.ts";
import { hostIsLittleEndian } from "../../sys/byte-order.ts";
import { NetlinkError } from "../errors.ts";
import { headerBytes, messageFlag } from "./constants.ts";

/** NLA_F_NESTED, which kernels with strict checking want to see. */
const NESTED = 0x8000;
const FLAGS_OFFSET = 6;

/** Builds rtnetlink messages one after the other in one buffer that grows. Numbers are in the host's byte order. */
export class MessageWriter {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;
  #messageStart = 0;

  constructor(expectedBytes = 4_096) {
    this.#bytes = new Uint8Array(expectedBytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Octets of all messages so far. */
  get length(): number {
    return this.#length;
  }

  /**
   * Writes one message whose payload `write` adds. If that throws, the message is taken back as if it had never begun
   * and the error goes on.
   */
  message(type: number, flags: number, sequence: number, write: () => void): void {
    const previous = this.#messageStart;
    const start = this.#length;
    this.#messageStart = start;
    try {
      this.u32(0);
      this.u16(type);
      this.u16(flags | messageFlag.request);
      this.u32(sequence);
      this.u32(0);
      write();
    } catch (error) {
      // What was not written to is zero; filling relies on it.
      this.#bytes.fill(0, start, this.#length);
      this.#length = start;
      this.#messageStart = previous;
      throw error;
    }
    this.#view.setUint32(start, this.#length - start, hostIsLittleEndian);
    this.#align();
  }

  /** Asks the kernel to answer the last message also if it succeeds. */
  acknowledgeLast(): void {
    if (this.#length < headerBytes) return;
    const offset = this.#messageStart + FLAGS_OFFSET;
    const flags = this.#view.getUint16(offset, hostIsLittleEndian);
    this.#view.setUint16(offset, flags | messageFlag.acknowledge, hostIsLittleEndian);
  }

  /** A copy of all messages, with a buffer of its own that may be transferred. */
  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  u8(value: number): void {
    const start = this.#grow(1);
    this.#view.setUint8(start, checked(value, 0xff));
  }

  u16(value: number): void {
    const start = this.#grow(2);
    this.#view.setUint16(start, checked(value, 0xffff), hostIsLittleEndian);
  }

  u32(value: number): void {
    const start = this.#grow(4);
    this.#view.setUint32(start, checked(value, 0xffffffff), hostIsLittleEndian);
  }

  octets(values: Iterable<number> & { readonly length: number }): void {
    const start = this.#grow(values.length);
    this.#bytes.set(Uint8Array.from(values), start);
  }

  /** In network byte order. */
  address(address: IpAddress): void {
    const words = address.family === 4 ? 1 : 4;
    const start = this.#grow(4 * words);
    this.#view.setUint32(start, address.w0, false);
    if (words === 1) return;
    this.#view.setUint32(start + 4, address.w1, false);
    this.#view.setUint32(start + 8, address.w2, false);
    this.#view.setUint32(start + 12, address.w3, false);
  }

  /** A 16-bit length (which counts itself), what `write` adds, and filling up to a multiple of four. */
  counted(write: () => void): void {
    const start = this.#length;
    this.u16(0);
    write();
    this.#view.setUint16(start, checked(this.#length - start, 0xffff), hostIsLittleEndian);
    this.#align();
  }

  /** An attribute whose value `write` adds. */
  attribute(type: number, write: () => void): void {
    this.counted(() => {
      this.u16(type);
      write();
    });
  }

  /** An attribute that consists of attributes. */
  nested(type: number, write: () => void): void {
    this.attribute(type | NESTED, write);
  }

  u8Attribute(type: number, value: number): void {
    this.attribute(type, () => this.u8(value));
  }

  u32Attribute(type: number, value: number): void {
    this.#header(4, type);
    this.u32(value);
  }

  /** In network byte order. */
  u16beAttribute(type: number, value: number): void {
    this.attribute(type, () => {
      const start = this.#grow(2);
      this.#view.setUint16(start, checked(value, 0xffff), false);
    });
  }

  addressAttribute(type: number, address: IpAddress): void {
    this.#header(address.bits / 8, type);
    this.address(address);
  }

  /** A string with its closing NUL. */
  textAttribute(type: number, text: string): void {
    this.attribute(type, () => this.octets(Buffer.from(`${text}\0`, "utf8")));
  }

  /** Of an attribute whose value has so many octets, a multiple of four. */
  #header(octets: number, type: number): void {
    this.u16(octets + 4);
    this.u16(type);
  }

  #align(): void {
    this.#grow(-this.#length & 3);
  }

  /** Makes room, and says where it starts. May replace the view, so call it before that is looked at. */
  #grow(octets: number): number {
    const start = this.#length;
    const end = start + octets;
    if (end > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = end;
    return start;
  }
}

function checked(value: number, maximum: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= maximum) return value;
  throw new NetlinkError("INVALID_REQUEST", `${value} is not an integer from 0 to ${maximum}`, { value });
}
