import type { TcpOptions } from "../../core/tcp.ts";
import { hostIsLittleEndian } from "../byte-order.ts";
import { setSocketOption } from "../libc.ts";
import { AF_INET } from "./addresses.ts";

// asm/socket.h, linux/in.h, linux/in6.h, linux/tcp.h
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_BINDTODEVICE = 25;
const IPPROTO_IP = 0;
const IP_TOS = 1;
const IP_TTL = 2;
const IP_MINTTL = 21;
const IPPROTO_IPV6 = 41;
const IPV6_UNICAST_HOPS = 16;
const IPV6_V6ONLY = 26;
const IPV6_TCLASS = 67;
const IPV6_MINHOPCOUNT = 73;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_USER_TIMEOUT = 18;

/** Class selector 6, internetwork control (RFC 4594 §3.1), as it stands in the octet. */
const INTERNETWORK_CONTROL = 0xc0;

const MAX_TTL = 255;
const SYSTEM_TTL = -1;

/** Which packets a socket exchanges with a peer: an IPv6 socket can have IPv4 ones. */
type PacketFamily = 4 | 6;

/** What all packets of a socket that dials must be like. Throws SyscallError. */
export function setDialOptions(fd: number, packets: PacketFamily, options: TcpOptions): void {
  setInteger(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  setTrafficClass(fd, packets);
  setConnectionOptions(fd, packets, options);
}

/** Everything but the key, and what an accepted socket has from its listener. Throws SyscallError. */
export function setConnectionOptions(fd: number, packets: PacketFamily, options: TcpOptions): void {
  const { device, ttl, minimumTtl, userTimeoutMs } = options;
  setTtl(fd, packets, minimumTtl === undefined ? (ttl ?? SYSTEM_TTL) : MAX_TTL);
  if (minimumTtl !== undefined) {
    if (packets === 4) setInteger(fd, IPPROTO_IP, IP_MINTTL, minimumTtl);
    else setInteger(fd, IPPROTO_IPV6, IPV6_MINHOPCOUNT, minimumTtl);
  }
  if (userTimeoutMs !== undefined) setInteger(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, userTimeoutMs);
  if (device !== undefined) setSocketOption(fd, SOL_SOCKET, SO_BINDTODEVICE, Buffer.from(`${device}\0`));
}

/**
 * What all that a listener answers must be like. Its SYN-ACKs have the highest TTL, because a peer with TTL security would
 * drop any other; accepted sockets get their own. Throws SyscallError.
 */
export function setListenerOptions(fd: number, domain: number): void {
  setAddressReuse(fd);
  // Accepted sockets have it from here.
  setInteger(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  const families: readonly PacketFamily[] = domain === AF_INET ? [4] : [4, 6];
  if (domain !== AF_INET) setInteger(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  for (const packets of families) {
    setTrafficClass(fd, packets);
    setTtl(fd, packets, MAX_TTL);
  }
}

/** Lets a port be taken of which connections are still being forgotten. Throws SyscallError. */
export function setAddressReuse(fd: number): void {
  setInteger(fd, SOL_SOCKET, SO_REUSEADDR, 1);
}

function setTrafficClass(fd: number, packets: PacketFamily): void {
  if (packets === 4) setInteger(fd, IPPROTO_IP, IP_TOS, INTERNETWORK_CONTROL);
  else setInteger(fd, IPPROTO_IPV6, IPV6_TCLASS, INTERNETWORK_CONTROL);
}

function setTtl(fd: number, packets: PacketFamily, ttl: number): void {
  if (packets === 4) setInteger(fd, IPPROTO_IP, IP_TTL, ttl);
  else setInteger(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, ttl);
}

function setInteger(fd: number, level: number, option: number, value: number): void {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, hostIsLittleEndian);
  setSocketOption(fd, level, option, bytes);
}
