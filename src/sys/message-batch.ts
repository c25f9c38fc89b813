import koffi from "koffi";
import { hostIsLittleEndian } from "./byte-order.ts";
import { SyscallError } from "./errors.ts";
import { IOVEC_BYTES, PacketMemory, retried, WORD } from "./packet-memory.ts";

const libc = koffi.load(null);
const native = {
  recvmmsg: libc.func("int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)"),
  sendmmsg: libc.func("int sendmmsg(int fd, void *messages, unsigned int count, int flags)"),
};
const { EWOULDBLOCK = 11 } = koffi.os.errno;
const MSG_DONTWAIT = 0x40;

/** struct mmsghdr and struct cmsghdr as they lie in memory for this word size (bits/socket.h). */
const MESSAGE_BYTES = 8 * WORD;
const field = {
  name: 0,
  nameLength: WORD,
  vector: 2 * WORD,
  vectorLength: 3 * WORD,
  control: 4 * WORD,
  controlLength: 5 * WORD,
  length: 7 * WORD,
} as const;
const CONTROL_HEADER_BYTES = WORD + 8;
const controlSpace = (bytes: number): number => CONTROL_HEADER_BYTES + Math.ceil(bytes / WORD) * WORD;
/** Room for what a received packet may come with, twice an int. */
const CONTROL_BYTES = 2 * controlSpace(4);
/** struct sockaddr_in: u16 family, u16 port, address, 8 octets of padding. */
const ADDRESS_BYTES = 16;
const AF_INET = 2;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;

/** Messages of IPv4 sockets for system calls that move many of them at once; what is in them lies in `memory`. */
export class MessageBatch {
  readonly #memory: PacketMemory;
  readonly #capacity: number;
  readonly #vectorCapacity: number;
  /** What the kernel reads: messages, then vectors, addresses, and control data. */
  readonly #control: PacketMemory;
  readonly #vectors: number;
  readonly #addresses: number;
  readonly #controls: number;
  #count = 0;
  #vectorCount = 0;
  #firstVector = 0;
  /** Of a batch that receives, and how many slots the kernel has filled last. */
  #slotBytes = 0;
  #used = 0;

  constructor(memory: PacketMemory, options: { readonly messages: number; readonly vectors: number }) {
    const { messages, vectors } = options;
    this.#memory = memory;
    this.#capacity = messages;
    this.#vectorCapacity = vectors;
    this.#vectors = messages * MESSAGE_BYTES;
    this.#addresses = this.#vectors + vectors * IOVEC_BYTES;
    this.#controls = this.#addresses + messages * ADDRESS_BYTES;
    this.#control = new PacketMemory(this.#controls + messages * CONTROL_BYTES);
  }

  /** Messages that have been begun since `clear`. */
  get count(): number {
    return this.#count;
  }

  /** Whether there is room for a message of so many parts. */
  hasRoom(parts: number): boolean {
    return this.#count < this.#capacity && this.#vectorCount + parts <= this.#vectorCapacity;
  }

  clear(): void {
    this.#count = 0;
    this.#vectorCount = 0;
    this.#slotBytes = 0;
  }

  /**
   * Begins a message to an address, unsigned 32 bits, and a port (0 of raw sockets). With `segmentBytes` the kernel cuts it
   * into datagrams of that length (UDP_SEGMENT).
   */
  begin(destination: number, port: number, segmentBytes: number): void {
    const { view } = this.#control;
    const message = this.#openMessage();
    const address = this.#addresses + (this.#count - 1) * ADDRESS_BYTES;
    view.setUint16(address + 2, port, false);
    view.setUint32(address + 4, destination, false);
    this.#control.setWord(message + field.controlLength, segmentBytes === 0 ? 0 : controlSpace(2));
    if (segmentBytes === 0) return;
    const control = this.#controls + (this.#count - 1) * CONTROL_BYTES;
    this.#control.setWord(control, CONTROL_HEADER_BYTES + 2);
    view.setInt32(control + WORD, SOL_UDP, hostIsLittleEndian);
    view.setInt32(control + WORD + 4, UDP_SEGMENT, hostIsLittleEndian);
    view.setUint16(control + CONTROL_HEADER_BYTES, segmentBytes, hostIsLittleEndian);
  }

  /** Adds some octets of the memory to the last message. */
  add(at: number, length: number): void {
    const message = (this.#count - 1) * MESSAGE_BYTES;
    this.#control.setVector(this.#vectors + this.#vectorCount * IOVEC_BYTES, this.#memory, at, length);
    this.#vectorCount++;
    const firstVector = this.#firstVector;
    this.#control.setWord(message + field.vectorLength, this.#vectorCount - firstVector);
  }

  /**
   * sendmmsg(2) of the messages from `first` on. Returns how many the kernel took, or -errno with the reason why it refused
   * the first of them.
   */
  send(fd: number, first: number): number {
    const at = BigInt(this.#control.addressOf(first * MESSAGE_BYTES));
    return retried(() => native.sendmmsg(fd, at, this.#count - first, MSG_DONTWAIT));
  }

  /**
   * recvmmsg(2) of as many packets as there are and fit, each to a slot: number n begins at `n * slotBytes` of the memory. What
   * does not fit in a slot is cut. Returns how many there are. Throws SyscallError.
   */
  receive(fd: number, slotBytes: number): number {
    if (this.#slotBytes !== slotBytes) this.#makeSlots(slotBytes);
    // The kernel has told how much of the room it has used.
    for (let slot = 0; slot < this.#used; slot++)
      this.#control.setWord(slot * MESSAGE_BYTES + field.controlLength, CONTROL_BYTES);
    const at = BigInt(this.#control.addressOf(0));
    const received = retried(() => native.recvmmsg(fd, at, this.#count, MSG_DONTWAIT, null));
    this.#used = Math.max(0, received);
    if (received >= 0) return received;
    if (received === -EWOULDBLOCK) return 0;
    throw new SyscallError("recvmmsg", -received, `file descriptor ${fd}`);
  }

  /** Octets of the received packet, or packets that the kernel has put together, in a slot. */
  receivedLength(slot: number): number {
    return this.#control.view.getUint32(slot * MESSAGE_BYTES + field.length, hostIsLittleEndian);
  }

  /** IPv4 address, unsigned 32 bits, that a received packet came from. */
  receivedFrom(slot: number): number {
    return this.#control.view.getUint32(this.#addresses + slot * ADDRESS_BYTES + 4, false);
  }

  /** How long each of the datagrams but the last is that the kernel has put together (UDP_GRO); 0 if it is one. */
  receivedSegmentBytes(slot: number): number {
    const { view } = this.#control;
    const lengthAt = slot * MESSAGE_BYTES + field.controlLength;
    const length =
      WORD === 4
        ? view.getUint32(lengthAt, hostIsLittleEndian)
        : Number(view.getBigUint64(lengthAt, hostIsLittleEndian));
    const control = this.#controls + slot * CONTROL_BYTES;
    if (length < CONTROL_HEADER_BYTES + 4) return 0;
    if (view.getInt32(control + WORD, hostIsLittleEndian) !== SOL_UDP) return 0;
    if (view.getInt32(control + WORD + 4, hostIsLittleEndian) !== UDP_GRO) return 0;
    return view.getInt32(control + CONTROL_HEADER_BYTES, hostIsLittleEndian);
  }

  #makeSlots(slotBytes: number): void {
    this.clear();
    this.#slotBytes = slotBytes;
    while (this.hasRoom(1)) {
      this.#openMessage();
      this.add((this.#count - 1) * slotBytes, slotBytes);
    }
    this.#used = this.#count;
  }

  /** The next message, with room for the other end's address and without parts. */
  #openMessage(): number {
    const message = this.#count * MESSAGE_BYTES;
    const address = this.#addresses + this.#count * ADDRESS_BYTES;
    const control = this.#control;
    control.view.setUint16(address, AF_INET, hostIsLittleEndian);
    control.setWord(message + field.name, control.addressOf(address));
    control.view.setUint32(message + field.nameLength, ADDRESS_BYTES, hostIsLittleEndian);
    this.#firstVector = this.#vectorCount;
    control.setWord(message + field.vector, control.addressOf(this.#vectors + this.#vectorCount * IOVEC_BYTES));
    control.setWord(message + field.vectorLength, 0);
    control.setWord(message + field.control, control.addressOf(this.#controls + this.#count * CONTROL_BYTES));
    this.#count++;
    return message;
  }
}
