import { closeSync } from "node:fs";
import { hostIsLittleEndian } from "./byte-order.ts";
import {
  bindSocket,
  connectSocket,
  createSocket,
  SyscallError,
  setSocketOption,
  setSocketOptionArray,
  socketName,
} from "./libc.ts";

// linux/socket.h, asm/socket.h, linux/netlink.h
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const ADD_MEMBERSHIP = 1;
const DROP_MEMBERSHIP = 2;

/** Options of SOL_NETLINK that a socket for requests wants; kernels before 4.20 lack the last. */
export const netlinkOption = { capAck: 10, extAck: 11, strictCheck: 12 } as const;

const SOCKADDR_NL_BYTES = 12;
/** struct sock_filter: u16 code, u8 jump if true, u8 jump if false, u32 operand. */
const SOCK_FILTER_BYTES = 8;

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

/** What the kernel calls a socket, and says of a change that was asked for through it. Throws SyscallError. */
export function portIdOf(fd: number): number {
  const { buffer } = socketName(fd, SOCKADDR_NL_BYTES);
  return new DataView(buffer).getUint32(4, hostIsLittleEndian);
}

/** Instructions of classic BPF (linux/bpf_common.h): load from the packet, compare, return. */
const BPF = { loadHalf: 0x28, loadWord: 0x20, jumpIfEqual: 0x15, return: 0x06 } as const;
const WHOLE_PACKET = 0xffffffff;
const TYPE_OFFSET = 4;
const PORT_OFFSET = 12;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;

/**
 * Keeps from a socket what the kernel tells of route changes that were asked for through the socket with this port id; it costs
 * neither memory nor a wake-up then. Notifications have one message each. Throws SyscallError.
 */
export function hideRouteChanges(fd: number, portId: number): void {
  // Loads are in network order, the fields in the host's.
  const half = (value: number): number => inNetworkOrder(value) >>> (hostIsLittleEndian ? 16 : 0);
  const program = [
    [BPF.loadHalf, 0, 0, TYPE_OFFSET],
    [BPF.jumpIfEqual, 1, 0, half(RTM_NEWROUTE)],
    [BPF.jumpIfEqual, 0, 2, half(RTM_DELROUTE)],
    [BPF.loadWord, 0, 0, PORT_OFFSET],
    [BPF.jumpIfEqual, 1, 0, inNetworkOrder(portId)],
    [BPF.return, 0, 0, WHOLE_PACKET],
    [BPF.return, 0, 0, 0],
  ] as const;
  const bytes = new Uint8Array(program.length * SOCK_FILTER_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, ifTrue, ifFalse, operand]] of program.entries()) {
    view.setUint16(index * SOCK_FILTER_BYTES, code, hostIsLittleEndian);
    view.setUint8(index * SOCK_FILTER_BYTES + 2, ifTrue);
    view.setUint8(index * SOCK_FILTER_BYTES + 3, ifFalse);
    view.setUint32(index * SOCK_FILTER_BYTES + 4, operand, hostIsLittleEndian);
  }
  setSocketOptionArray(fd, SOL_SOCKET, SO_ATTACH_FILTER, program.length, bytes);
}

/** What a load from the packet makes of a field with this value. */
function inNetworkOrder(word: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, word, hostIsLittleEndian);
  return view.getUint32(0, false);
}

/** struct sockaddr_nl: u16 family, u16 padding, u32 port id (0: the kernel, or any), u32 group mask. */
export function netlinkAddress(portId: number, groups: number): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_NL_BYTES);
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
