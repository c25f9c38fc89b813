import { createHash } from "node:crypto";
import type { IpAddress } from "../net/address.ts";

/**
 * The BGP identifier: the node's IPv4 address, or for a node without one Calico's hash of its name — the first four octets of
 * SHA-256, with 32 taken off a first octet above 223 so that it looks like a unicast address.
 */
export function routerId(ipv4Address: IpAddress | undefined, nodeName: string): number {
  if (ipv4Address !== undefined) return ipv4Address.w0;
  const digest = createHash("sha256").update(nodeName).digest();
  const identifier = digest.readUInt32BE(0);
  return (digest[0] ?? 0) > 223 ? identifier - 32 * 2 ** 24 : identifier;
}
