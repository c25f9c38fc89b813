import { TunnelError } from "./errors.ts";

/** The kernel gives up IPv4 below 68 octets (RFC 791) and IPv6 below 1280 (RFC 8200 §5). */
const smallestMtu = { 4: 68, 6: 1280 } as const;

/** Throws `INVALID_TUNNEL` unless a device for packets of this family can have this MTU. */
export function checkMtu(mtu: number, family: 4 | 6): void {
  const least = smallestMtu[family];
  if (Number.isInteger(mtu) && mtu >= least && mtu <= 65_535) return;
  throw new TunnelError("INVALID_TUNNEL", `mtu: ${mtu} is not an integer from ${least} to 65535`, {
    field: "mtu",
    value: mtu,
  });
}
