import { isIPv4 } from "node:net";
import { IpAddress } from "../../net/address.ts";
import { hostIsLittleEndian } from "../byte-order.ts";
import { interfaceIndex, interfaceName, parseAddress } from "../libc.ts";

/** Domains of sockets (bits/socket.h). */
export const AF_INET = 2;
export const AF_INET6 = 10;

const SOCKADDR_IN_BYTES = 16;
const SOCKADDR_IN6_BYTES = 28;

/** Room for either. */
export const SOCKET_ADDRESS_BYTES = SOCKADDR_IN6_BYTES;

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

/** An end of a connection, as the kernel gives it. */
export interface SocketAddress {
  /** The socket's own domain. */
  readonly domain: number;
  /** IPv4 where it is mapped; a link-local one has its zone. */
  readonly address: string;
  readonly port: number;
}

/** As `encodeSocketAddress`, with the zone. Throws SyscallError if the zone is no device. */
export function encodeEndpoint(domain: number, address: string, port: number): Uint8Array {
  const bytes = encodeSocketAddress(domain, address, port);
  const [, zone] = address.split("%");
  if (zone !== undefined) new DataView(bytes.buffer).setUint32(24, interfaceIndex(zone), hostIsLittleEndian);
  return bytes;
}

/** What stands in the first octets of a struct sockaddr_in or sockaddr_in6. */
export function decodeSocketAddress(bytes: Uint8Array): SocketAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const domain = view.getUint16(0, hostIsLittleEndian);
  const port = view.getUint16(2, false);
  const isMapped = domain === AF_INET6 && MAPPED_PREFIX.every((octet, index) => bytes[8 + index] === octet);
  if (domain === AF_INET || isMapped)
    return {
      domain,
      address: bytes
        .subarray(isMapped ? 20 : 4)
        .subarray(0, 4)
        .join("."),
      port,
    };
  const address = IpAddress.fromBytes(bytes.subarray(8, 24)).toString();
  const scope = view.getUint32(24, hostIsLittleEndian);
  return { domain, address: scope === 0 ? address : `${address}%${interfaceName(scope)}`, port };
}
