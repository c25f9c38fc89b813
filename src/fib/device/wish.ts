import type { IpAddress } from "../../net/address.ts";
import { TunnelError } from "./errors.ts";

/** What a tunnel device that carries plain IPv4 packets shall be like: IPIP's, or one of user space. */
export interface TunnelWish {
  /** The node's tunnel address, given to the device as its only one, as a /32. */
  readonly address: IpAddress;
  /** In octets; less than packets to the other nodes may have by what the tunnel adds. */
  readonly mtu: number;
  /** Outer packets forbid fragmentation, so that the path's MTU is found. Default: left as it is. */
  readonly pmtuDiscovery?: boolean;
  /** net.ipv4.conf.NAME.rp_filter. Default: left as it is. */
  readonly reversePathFilter?: 0 | 1 | 2;
}

/** Throws TunnelError `INVALID_TUNNEL` for a wish that no such device can fulfil. */
export function checkTunnelWish({ address, mtu }: TunnelWish): void {
  if (address.family !== 4)
    throw new TunnelError(
      "INVALID_TUNNEL",
      `address: ${address} is not an IPv4 address, and this tunnel has no other`,
      {
        field: "address",
        value: address.toString(),
      },
    );
  checkMtu(mtu, 4);
}

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
