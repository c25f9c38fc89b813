import { IpAddress } from "../net/address.ts";
import type { Resource } from "./resource.ts";

/**
 * A node's end of the UDP tunnel, `ADDRESS:PORT` with the address of its device and the port that it takes packets on.
 * Calico's Node has no such field.
 */
export const udpTunnelAnnotation = "calibird.io/udp-tunnel";

/** What a tunnel's address is recorded as, and that address. */
export interface NodeTunnelAddress {
  readonly tunnel: "ipip" | "vxlan" | "vxlan-v6" | "udp" | "wireguard" | "wireguard-v6";
  readonly address: IpAddress;
}

/** The addresses that a node says its tunnel devices have. Texts that are no address are left out. */
export function nodeTunnelAddresses({
  spec,
  metadata,
}: Pick<Resource<"Node">, "spec" | "metadata">): NodeTunnelAddress[] {
  const told = {
    ipip: spec.bgp?.ipv4IPIPTunnelAddr,
    vxlan: spec.ipv4VXLANTunnelAddr,
    "vxlan-v6": spec.ipv6VXLANTunnelAddr,
    udp: metadata.annotations?.[udpTunnelAnnotation]?.split(":", 1)[0],
    wireguard: spec.wireguard?.interfaceIPv4Address,
    "wireguard-v6": spec.wireguard?.interfaceIPv6Address,
  } as const;
  return (Object.keys(told) as (keyof typeof told)[]).flatMap((tunnel) => {
    const address = IpAddress.tryParse(told[tunnel] ?? "");
    return address === undefined ? [] : [{ tunnel, address }];
  });
}
