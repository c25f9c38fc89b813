import { closeSync } from "node:fs";
import { hostIsLittleEndian } from "./byte-order.ts";
import { bindSocket, connectSocket, createSocket, getSocketOption, SyscallError, setSocketOption } from "./libc.ts";

// linux/socket.h, linux/in.h
const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IPPROTO_UDP = 17;
const IP_HDRINCL = 3;
const IP_MTU_DISCOVER = 10;
const IP_MTU = 14;
const IP_FREEBIND = 15;
const IP_PMTUDISC_DONT = 0;
const IP_PMTUDISC_DO = 2;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const EPERM = 1;
/** Nothing is sent to it. */
const DISCARD_PORT = 9;

/**
 * A non-blocking socket that receives every IPv4 packet of a protocol for this namespace, with its header, and sends packets
 * that have theirs; the kernel fills in source, identification, total length and checksum. The caller closes it. Throws
 * SyscallError (EPERM without CAP_NET_RAW).
 */
export function openRawIpSocket(protocol: number, bufferBytes: number): number {
  return configured(createSocket(AF_INET, SOCK_RAW, protocol), (fd) => {
    setSocketOption(fd, IPPROTO_IP, IP_HDRINCL, encodeInt(1));
    setBuffers(fd, bufferBytes);
  });
}

/**
 * A non-blocking UDP socket with this source address, unsigned 32 bits, which need not be there yet, and port. The caller
 * closes it. Throws SyscallError (EADDRINUSE if somebody else has the port).
 */
export function openUdpSocket(address: number, port: number, bufferBytes: number): number {
  return configured(createSocket(AF_INET, SOCK_DGRAM, IPPROTO_UDP), (fd) => {
    setSocketOption(fd, IPPROTO_IP, IP_FREEBIND, encodeInt(1));
    setBuffers(fd, bufferBytes);
    bindSocket(fd, encodeAddress(address, port));
  });
}

/**
 * Whether all packets of a UDP socket forbid fragmentation, so that too large ones are refused (EMSGSIZE), or none. Throws
 * SyscallError.
 */
export function setPathMtuDiscovery(fd: number, enabled: boolean): void {
  setSocketOption(fd, IPPROTO_IP, IP_MTU_DISCOVER, encodeInt(enabled ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT));
}

/**
 * Lets the kernel hand over datagrams of one sender put together, where it can (Linux 5.0), and returns whether it can cut
 * what is sent (4.18).
 */
export function allowUdpBatches(fd: number): boolean {
  const isKnown = (option: number, value: number): boolean => {
    try {
      setSocketOption(fd, IPPROTO_UDP, option, encodeInt(value));
      return true;
    } catch (error) {
      if (error instanceof SyscallError) return false;
      throw error;
    }
  };
  isKnown(UDP_GRO, 1);
  return isKnown(UDP_SEGMENT, 0);
}

/** A socket for `pathMtu`. The caller closes it. Throws SyscallError. */
export function openPathProbe(): number {
  return createSocket(AF_INET, SOCK_DGRAM, IPPROTO_UDP);
}

/**
 * How large packets to an address, unsigned 32 bits, may be as far as the kernel knows: what routers have told it within the
 * last minutes, else the route's. Undefined if there is no route.
 */
export function pathMtu(probeFd: number, address: number): number | undefined {
  try {
    connectSocket(probeFd, encodeAddress(address, DISCARD_PORT));
    return getSocketOption(probeFd, IPPROTO_IP, IP_MTU);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
}

function configured(fd: number, configure: (fd: number) => void): number {
  try {
    configure(fd);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function setBuffers(fd: number, bytes: number): void {
  setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
  setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
}

/** The first option exceeds the system's limit but wants CAP_NET_ADMIN over the host, which a container may lack. */
function setBuffer(fd: number, forced: number, limited: number, bytes: number): void {
  try {
    setSocketOption(fd, SOL_SOCKET, forced, encodeInt(bytes));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EPERM) throw error;
    setSocketOption(fd, SOL_SOCKET, limited, encodeInt(bytes));
  }
}

function encodeInt(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, hostIsLittleEndian);
  return bytes;
}

/** struct sockaddr_in. */
function encodeAddress(address: number, port: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, hostIsLittleEndian);
  view.setUint16(2, port, false);
  view.setUint32(4, address, false);
  return bytes;
}
