import { isIPv4 } from "node:net";
import { hostIsLittleEndian } from "../byte-order.ts";
import { parseAddress } from "../libc.ts";

/** Domains of sockets (bits/socket.h). */
export const AF_INET = 2;
export const AF_INET6 = 10;

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

/** Prefix of an IPv4-mapped IPv6 address, ::ffff:0:0/96, by which an IPv6 socket names IPv4 peers. */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** A socket's domain by the text of an address, which may have a zone. */
export function domainOf(address: string): typeof AF_INET | typeof AF_INET6 {
  return isIPv4(address) ? AF_INET : AF_INET6;
}

/**
 * struct sockaddr_in or sockaddr_in6 for a socket of this domain; an IPv4 address on an IPv6 socket is mapped. A zone is
 * left out. Throws a TypeError for text that is no address.
 */
export function encodeSocketAddress(domain: number, address: string, port: number): Uint8Array {
  const [bare = ""] = address.split("%");
  const family = domainOf(bare);
  const octets = parseAddress(family, bare);
  const bytes = new Uint8Array(domain === AF_INET ? SOCKADDR_IN_BYTES : SOCKADDR_IN6_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, domain, hostIsLittleEndian);
  view.setUint16(2, port, false);
  if (domain === AF_INET) bytes.set(octets, 4);
  else bytes.set(family === AF_INET ? [...MAPPED_PREFIX, ...octets] : octets, 8);
  return bytes;
}
