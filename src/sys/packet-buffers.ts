import koffi from "koffi";
import { hostIsLittleEndian } from "./byte-order.ts";
import { SyscallError } from "./errors.ts";

const libc = koffi.load(null);
const native = {
  read: libc.func("intptr_t read(int fd, void *bytes, uintptr_t length)"),
  write: libc.func("intptr_t write(int fd, void *bytes, uintptr_t length)"),
  recvmmsg: libc.func("int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)"),
  sendmmsg: libc.func("int sendmmsg(int fd, void *messages, unsigned int count, int flags)"),
};
const { EINTR, EWOULDBLOCK } = koffi.os.errno;
const MSG_DONTWAIT = 0x40;

/** struct mmsghdr and struct iovec as they lie in memory for this word size (bits/socket.h). */
const WORD = koffi.sizeof("void *");
const IOVEC_BYTES = 2 * WORD;
const field = { name: 0, nameLength: WORD, vector: 2 * WORD, vectorLength: 3 * WORD, length: 7 * WORD } as const;
const MESSAGE_BYTES = 8 * WORD;
/** struct sockaddr_in: u16 family, u16 port, address, 8 octets of padding. */
const ADDRESS_BYTES = 16;
const AF_INET = 2;

/**
 * Room for some packets in one piece of memory, for system calls that move many of them at once. Packets are filled in and
 * read in place: slot n begins at `n * slotBytes` of `bytes`. IPv4 sockets only.
 */
export class PacketBuffers {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly slots: number;
  readonly slotBytes: number;
  /** What the kernel reads: messages, then vectors, then addresses. */
  readonly #control: Uint8Array;
  readonly #controlView: DataView;
  readonly #packetsAt: bigint;
  readonly #messagesAt: bigint;
  readonly #vectors: number;
  readonly #addresses: number;

  constructor(slots: number, slotBytes: number) {
    this.slots = slots;
    this.slotBytes = slotBytes;
    this.bytes = new Uint8Array(slots * slotBytes);
    this.view = new DataView(this.bytes.buffer);
    this.#vectors = slots * MESSAGE_BYTES;
    this.#addresses = this.#vectors + slots * IOVEC_BYTES;
    this.#control = new Uint8Array(this.#addresses + slots * ADDRESS_BYTES);
    this.#controlView = new DataView(this.#control.buffer);
    this.#packetsAt = BigInt(koffi.address(this.bytes));
    this.#messagesAt = BigInt(koffi.address(this.#control));
    for (let slot = 0; slot < slots; slot++) {
      const message = slot * MESSAGE_BYTES;
      const vector = this.#vectors + slot * IOVEC_BYTES;
      this.#setWord(message + field.vector, this.#messagesAt + BigInt(vector));
      this.#setWord(message + field.vectorLength, 1n);
      this.#controlView.setUint16(this.#addresses + slot * ADDRESS_BYTES, AF_INET, hostIsLittleEndian);
      this.#describe(slot, slot * slotBytes, slotBytes);
    }
  }

  /**
   * recvmmsg(2) of as many packets as there are, each to a slot, so many octets after its beginning; returns how many. What
   * does not fit in a slot is cut. Throws SyscallError.
   */
  receive(fd: number, headroom = 0): number {
    for (let slot = 0; slot < this.slots; slot++) {
      this.#describe(slot, slot * this.slotBytes + headroom, this.slotBytes - headroom);
      this.#nameRoom(slot);
    }
    for (;;) {
      const count: number = native.recvmmsg(fd, this.#messagesAt, this.slots, MSG_DONTWAIT, null);
      if (count >= 0) return count;
      const errno = koffi.errno();
      if (errno === EWOULDBLOCK) return 0;
      if (errno !== EINTR) throw new SyscallError("recvmmsg", errno, `file descriptor ${fd}`);
    }
  }

  /** IPv4 address, unsigned 32 bits, that the packet of `receive` in a slot came from. */
  receivedFrom(slot: number): number {
    return this.#controlView.getUint32(this.#addresses + slot * ADDRESS_BYTES + 4, false);
  }

  /** Octets of the packet that `receive` put into a slot. */
  receivedLength(slot: number): number {
    return this.#controlView.getUint32(slot * MESSAGE_BYTES + field.length, hostIsLittleEndian);
  }

  /** Says that message number `index` of the next `send` is `length` octets at `offset` of `bytes`, for an IPv4 address and, of UDP, a port. */
  prepare(index: number, offset: number, length: number, destination: number, port = 0): void {
    const address = this.#addresses + index * ADDRESS_BYTES;
    this.#describe(index, offset, length);
    this.#nameRoom(index);
    this.#controlView.setUint16(address + 2, port, false);
    this.#controlView.setUint32(address + 4, destination, false);
  }

  /**
   * sendmmsg(2) of the messages from `first` to before `end`. Returns how many the kernel took, or -errno
   * with the reason why it refused the first of them.
   */
  send(fd: number, first: number, end: number): number {
    const at = this.#messagesAt + BigInt(first * MESSAGE_BYTES);
    return retried(() => native.sendmmsg(fd, at, end - first, MSG_DONTWAIT));
  }

  /** read(2) of up to `length` octets to `offset`; their number, or -errno. */
  read(fd: number, offset: number, length: number): number {
    const at = this.#packetsAt + BigInt(offset);
    return retried(() => native.read(fd, at, length));
  }

  /** write(2) of `length` octets from `offset`; their number, or -errno. */
  write(fd: number, offset: number, length: number): number {
    const at = this.#packetsAt + BigInt(offset);
    return retried(() => native.write(fd, at, length));
  }

  /** Gives a message room for the other end's address. */
  #nameRoom(index: number): void {
    const address = this.#addresses + index * ADDRESS_BYTES;
    this.#setWord(index * MESSAGE_BYTES + field.name, this.#messagesAt + BigInt(address));
    this.#controlView.setUint32(index * MESSAGE_BYTES + field.nameLength, ADDRESS_BYTES, hostIsLittleEndian);
  }

  #describe(index: number, offset: number, length: number): void {
    const vector = this.#vectors + index * IOVEC_BYTES;
    this.#setWord(vector, this.#packetsAt + BigInt(offset));
    this.#setWord(vector + WORD, BigInt(length));
  }

  #setWord(at: number, value: bigint): void {
    if (WORD === 8) this.#controlView.setBigUint64(at, value, hostIsLittleEndian);
    else this.#controlView.setUint32(at, Number(value), hostIsLittleEndian);
  }
}

/** The result of a call that no signal interrupted, or -errno. */
function retried(call: () => unknown): number {
  for (;;) {
    const result = Number(call());
    if (result !== -1) return result;
    const errno = koffi.errno();
    if (errno !== EINTR) return -errno;
  }
}
