import type { IpAddress } from "../net/address.ts";
import { hostIsLittleEndian } from "./byte-order.ts";

const AF_INET = 2;
const AF_INET6 = 10;

/** struct sockaddr_in (16 octets) or sockaddr_in6 (28); `scopeId` is the interface's index for link-local addresses, else 0. */
export function encodeSocketAddress(address: IpAddress, port: number, scopeId: number): Uint8Array {
  const isV4 = address.family === 4;
  const bytes = new Uint8Array(isV4 ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, isV4 ? AF_INET : AF_INET6, hostIsLittleEndian);
  view.setUint16(2, port, false);
  bytes.set(address.toBytes(), isV4 ? 4 : 8);
  if (!isV4) view.setUint32(24, scopeId, hostIsLittleEndian);
  return bytes;
}
