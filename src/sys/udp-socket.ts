import { closeSync } from "node:fs";
import koffi from "koffi";
import { IpAddress } from "../net/address.ts";
import { hostIsLittleEndian } from "./byte-order.ts";
import { bindSocket, connectSocket, createSocket, SyscallError, setSocketOption } from "./libc.ts";
import { encodeSocketAddress } from "./socket-address.ts";

// linux/socket.h, linux/in.h, linux/in6.h
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_PKTINFO = 8;
const IP_RECVTTL = 12;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const IPV6_RECVHOPLIMIT = 51;
const IPV6_HOPLIMIT = 52;
const IPV6_TCLASS = 67;

/** Where a UDP socket sends from and to, and how its packets look. */
export interface UdpSender {
  readonly local: IpAddress;
  readonly localPort: number;
  readonly remote: IpAddress;
  readonly remotePort: number;
  /** TTL or hop limit, 1 … 255. */
  readonly ttl: number;
  /** The whole TOS or traffic class octet. */
  readonly trafficClass: number;
  /** Index of the interface for link-local addresses; 0 for all others. */
  readonly scopeId: number;
  /** Send through this interface only. */
  readonly device?: string;
}

/** A datagram and what the network said about it. */
export interface ReceivedDatagram {
  /** Into the buffer that was given to `receive`. */
  readonly length: number;
  readonly source: IpAddress;
  readonly sourcePort: number;
  /** The address that it was sent to; undefined if the kernel did not say. */
  readonly destination: IpAddress | undefined;
  /** Index of the interface that it came in by; 0 if the kernel did not say. */
  readonly interfaceIndex: number;
  /** TTL or hop limit as received; -1 if the kernel did not say. */
  readonly ttl: number;
}

/** A connected, non-blocking UDP socket for sending with `sendBytes`. The caller closes it. Throws SyscallError. */
export function openUdpSender(options: UdpSender): number {
  const { local, localPort, remote, remotePort, ttl, trafficClass, scopeId, device } = options;
  const isV4 = local.family === 4;
  return opened(isV4 ? AF_INET : AF_INET6, (fd) => {
    const level = isV4 ? IPPROTO_IP : IPPROTO_IPV6;
    setSocketOption(fd, level, isV4 ? IP_TTL : IPV6_UNICAST_HOPS, encodeInt(ttl));
    setSocketOption(fd, level, isV4 ? IP_TOS : IPV6_TCLASS, encodeInt(trafficClass));
    if (device !== undefined) setSocketOption(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`));
    bindSocket(fd, encodeSocketAddress(local, localPort, scopeId));
    connectSocket(fd, encodeSocketAddress(remote, remotePort, scopeId));
  });
}

/** A non-blocking UDP socket on every address of a family, for `UdpReceiver`. The caller closes it. Throws SyscallError. */
export function openUdpListener(family: 4 | 6, port: number): number {
  return opened(family === 4 ? AF_INET : AF_INET6, (fd) => {
    if (family === 4) {
      setSocketOption(fd, IPPROTO_IP, IP_RECVTTL, encodeInt(1));
      setSocketOption(fd, IPPROTO_IP, IP_PKTINFO, encodeInt(1));
    } else {
      setSocketOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, encodeInt(1));
      setSocketOption(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, encodeInt(1));
      setSocketOption(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, encodeInt(1));
    }
    bindSocket(fd, encodeSocketAddress(family === 4 ? IpAddress.v4(0) : IpAddress.v6(0, 0, 0, 0), port, 0));
  });
}

const libc = koffi.load(null);
const recvmsg = libc.func("intptr_t recvmsg(int fd, void *message, int flags)");
const { EINTR, EWOULDBLOCK } = koffi.os.errno;

/** struct msghdr and struct cmsghdr as they lie in memory for this word size (bits/socket.h). */
const WORD = koffi.sizeof("void *");
const message = { name: 0, nameLength: WORD, vector: 2 * WORD, count: 3 * WORD, control: 4 * WORD } as const;
const controlLengthAt = 5 * WORD;
const MESSAGE_BYTES = 7 * WORD;
const CONTROL_HEADER_BYTES = WORD + 8;
const NAME_BYTES = 28;
const CONTROL_BYTES = 256;

/** Receives datagrams of sockets that `openUdpListener` made, one at a time, into a buffer of its own. */
export class UdpReceiver {
  /** The payload of the last datagram; overwritten by the next. */
  readonly bytes: Uint8Array;
  readonly #header: Uint8Array;
  readonly #view: DataView;
  readonly #address: bigint;
  readonly #name: number;
  readonly #control: number;

  constructor(largestPayload: number) {
    this.bytes = new Uint8Array(largestPayload);
    const vector = MESSAGE_BYTES;
    this.#name = vector + 2 * WORD;
    this.#control = this.#name + 32;
    this.#header = new Uint8Array(this.#control + CONTROL_BYTES);
    this.#view = new DataView(this.#header.buffer);
    this.#address = BigInt(koffi.address(this.#header));
    this.#setWord(message.name, this.#address + BigInt(this.#name));
    this.#setWord(message.vector, this.#address + BigInt(vector));
    this.#setWord(message.count, 1n);
    this.#setWord(message.control, this.#address + BigInt(this.#control));
    this.#setWord(vector, BigInt(koffi.address(this.bytes)));
    this.#setWord(vector + WORD, BigInt(largestPayload));
  }

  /** The next datagram, cut if it is longer than the buffer; undefined if none waits. Throws SyscallError. */
  receive(fd: number): ReceivedDatagram | undefined {
    for (;;) {
      this.#view.setUint32(message.nameLength, NAME_BYTES, hostIsLittleEndian);
      this.#setWord(controlLengthAt, BigInt(CONTROL_BYTES));
      const length = Number(recvmsg(fd, this.#address, 0));
      if (length >= 0) return this.#describe(length);
      const errno = koffi.errno();
      if (errno === EWOULDBLOCK) return undefined;
      if (errno !== EINTR) throw new SyscallError("recvmsg", errno, `file descriptor ${fd}`);
    }
  }

  #describe(length: number): ReceivedDatagram {
    const isV4 = this.#view.getUint16(this.#name, hostIsLittleEndian) === AF_INET;
    const source = isV4 ? this.#addressAt(this.#name + 4, 4) : this.#addressAt(this.#name + 8, 16);
    let destination: IpAddress | undefined;
    let interfaceIndex = 0;
    let ttl = -1;
    const end = this.#control + this.#getWord(controlLengthAt);
    for (let at = this.#control; at + CONTROL_HEADER_BYTES <= end; ) {
      const size = this.#getWord(at);
      if (size < CONTROL_HEADER_BYTES) break;
      const level = this.#int(at + WORD);
      const type = this.#int(at + WORD + 4);
      const data = at + CONTROL_HEADER_BYTES;
      if (level === IPPROTO_IP && type === IP_TTL) ttl = this.#int(data);
      else if (level === IPPROTO_IPV6 && type === IPV6_HOPLIMIT) ttl = this.#int(data);
      else if (level === IPPROTO_IP && type === IP_PKTINFO) {
        interfaceIndex = this.#int(data);
        destination = this.#addressAt(data + 8, 4);
      } else if (level === IPPROTO_IPV6 && type === IPV6_PKTINFO) {
        destination = this.#addressAt(data, 16);
        interfaceIndex = this.#int(data + 16);
      }
      at += Math.ceil(size / WORD) * WORD;
    }
    const sourcePort = this.#view.getUint16(this.#name + 2, false);
    return { length, source, sourcePort, destination, interfaceIndex, ttl };
  }

  #addressAt(at: number, octets: 4 | 16): IpAddress {
    return IpAddress.fromBytes(this.#header.subarray(at, at + octets));
  }

  #int(at: number): number {
    return this.#view.getInt32(at, hostIsLittleEndian);
  }

  #getWord(at: number): number {
    return WORD === 8
      ? Number(this.#view.getBigUint64(at, hostIsLittleEndian))
      : this.#view.getUint32(at, hostIsLittleEndian);
  }

  #setWord(at: number, value: bigint): void {
    if (WORD === 8) this.#view.setBigUint64(at, value, hostIsLittleEndian);
    else this.#view.setUint32(at, Number(value), hostIsLittleEndian);
  }
}

function opened(family: number, prepare: (fd: number) => void): number {
  const fd = createSocket(family, SOCK_DGRAM, 0);
  try {
    prepare(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function encodeInt(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, hostIsLittleEndian);
  return bytes;
}
