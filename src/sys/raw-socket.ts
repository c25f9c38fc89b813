import { closeSync } from "node:fs";
import { hostIsLittleEndian } from "./byte-order.ts";
import { createSocket, SyscallError, setSocketOption } from "./libc.ts";

// linux/socket.h, linux/in.h
const AF_INET = 2;
const SOCK_RAW = 3;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const IPPROTO_IP = 0;
const IP_HDRINCL = 3;
const EPERM = 1;

/**
 * A non-blocking socket that receives every IPv4 packet of a protocol for this namespace, with its header, and sends packets
 * that have theirs; the kernel fills in source, identification, total length and checksum. The caller closes it. Throws
 * SyscallError (EPERM without CAP_NET_RAW).
 */
export function openRawIpSocket(protocol: number, bufferBytes: number): number {
  const fd = createSocket(AF_INET, SOCK_RAW, protocol);
  try {
    setSocketOption(fd, IPPROTO_IP, IP_HDRINCL, encodeInt(1));
    setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, bufferBytes);
    setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, bufferBytes);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
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
