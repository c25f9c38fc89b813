import koffi from "koffi";
import { hostIsLittleEndian } from "./byte-order.ts";

const libc = koffi.load(null);
const native = {
  read: libc.func("intptr_t read(int fd, void *bytes, uintptr_t length)"),
  writev: libc.func("intptr_t writev(int fd, void *vectors, int count)"),
};

/** Of a pointer and a size_t. */
export const WORD = koffi.sizeof("void *");
export const IOVEC_BYTES = 2 * WORD;
const TWO_TO_32 = 2 ** 32;

/** A piece of memory that the kernel reads and writes in place. Its address fits in a number: no process has 2^53 octets. */
export class PacketMemory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** The same in units that sums are made of. */
  readonly words: Uint16Array<ArrayBuffer>;
  readonly #numbers: Uint32Array<ArrayBuffer>;
  readonly #address: number;

  /** `length` is a multiple of 8. */
  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.view = new DataView(this.bytes.buffer);
    this.words = new Uint16Array(this.bytes.buffer);
    this.#numbers = new Uint32Array(this.bytes.buffer);
    this.#address = Number(koffi.address(this.bytes));
  }

  addressOf(offset: number): number {
    return this.#address + offset;
  }

  /** Writes a pointer or size_t at an offset that it may stand at. */
  setWord(offset: number, value: number): void {
    const at = offset >>> 2;
    const low = value >>> 0;
    if (WORD === 4) this.#numbers[at] = low;
    else {
      const high = Math.floor(value / TWO_TO_32);
      this.#numbers[at] = hostIsLittleEndian ? low : high;
      this.#numbers[at + 1] = hostIsLittleEndian ? high : low;
    }
  }

  /** Writes struct iovec: some octets of `memory`. */
  setVector(offset: number, memory: PacketMemory, at: number, length: number): void {
    this.setWord(offset, memory.addressOf(at));
    this.setWord(offset + WORD, length);
  }

  /** read(2) of up to `length` octets to `offset`; their number, or -errno. */
  read(fd: number, offset: number, length: number): number {
    const at = BigInt(this.addressOf(offset));
    return retried(() => native.read(fd, at, length));
  }

  /** writev(2) of `count` vectors that stand at `offset`; the number of octets, or -errno. */
  writeVectors(fd: number, offset: number, count: number): number {
    const at = BigInt(this.addressOf(offset));
    return retried(() => native.writev(fd, at, count));
  }
}

/** The result of a call that no signal interrupted, or -errno. */
export function retried(call: () => unknown): number {
  for (;;) {
    const result = Number(call());
    if (result !== -1) return result;
    const errno = koffi.errno();
    if (errno !== koffi.os.errno.EINTR) return -errno;
  }
}
