import { closeSync } from "node:fs";
import { hostIsLittleEndian } from "./byte-order.ts";
import { bindSocket, connectSocket, createSocket, SyscallError, setSocketOption } from "./libc.ts";

// linux/socket.h, asm/socket.h, linux/netlink.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const ADD_MEMBERSHIP = 1;
const DROP_MEMBERSHIP = 2;

/** Options of SOL_NETLINK that a socket for requests wants; kernels before 4.20 lack the last. */
export const netlinkOption = { capAck: 10, extAck: 11, strictCheck: 12 } as const;

const EPERM = 1;
const ENOPROTOOPT = 92;

/**
 * Opens a non-blocking rtnetlink socket in the calling thread's network namespace, where it stays. It is connected to the
 * kernel, so that no other process can send to it. The caller closes it. Throws SyscallError.
 */
export function openRouteSocket(receiveBufferBytes: number): number {
  const fd = createSocket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  try {
    setReceiveBuffer(fd, receiveBufferBytes);
    bindSocket(fd, netlinkAddress(0, 0));
    connectSocket(fd, netlinkAddress(0, 0));
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** SO_RCVBUFFORCE exceeds net.core.rmem_max but wants CAP_NET_ADMIN over the host, which a container may lack. */
function setReceiveBuffer(fd: number, bytes: number): void {
  try {
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUFFORCE, encodeInt(bytes));
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EPERM) throw error;
    setSocketOption(fd, SOL_SOCKET, SO_RCVBUF, encodeInt(bytes));
  }
}

/** Switches an option on; false if this kernel does not know it. Throws SyscallError. */
export function enableNetlinkOption(fd: number, option: number): boolean {
  try {
    setSocketOption(fd, SOL_NETLINK, option, encodeInt(1));
    return true;
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ENOPROTOOPT) return false;
    throw error;
  }
}

/** Starts or stops the delivery of a multicast group (RTNLGRP_*). Throws SyscallError. */
export function setGroupMembership(fd: number, group: number, member: boolean): void {
  setSocketOption(fd, SOL_NETLINK, member ? ADD_MEMBERSHIP : DROP_MEMBERSHIP, encodeInt(group));
}

/** struct sockaddr_nl: u16 family, u16 padding, u32 port id (0: the kernel, or any), u32 group mask. */
export function netlinkAddress(portId: number, groups: number): Uint8Array {
  const bytes = new Uint8Array(12);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_NETLINK, hostIsLittleEndian);
  view.setUint32(4, portId, hostIsLittleEndian);
  view.setUint32(8, groups, hostIsLittleEndian);
  return bytes;
}

function encodeInt(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, hostIsLittleEndian);
  return bytes;
}
