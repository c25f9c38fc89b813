import { isLinkLocal } from "../../bgp/packet/next-hop.ts";
import type { NextHopResolver } from "../../bgp/rib/next-hop-table.ts";
import type { IpAddress } from "../../net/address.ts";

/**
 * BGP's view of the kernel's table: a next hop is good if a route of somebody else's leads to it, by no ignored interface. Link-local ones are taken
 * at their word, since only the interface of the session says which link is meant.
 */
export function kernelResolver(
  interfaceTo: (nextHop: IpAddress) => string | undefined,
  isIgnored: (device: string) => boolean,
): NextHopResolver {
  return ({ address }) => {
    if (isLinkLocal(address)) return { metric: 0 };
    const name = interfaceTo(address);
    return name === undefined || isIgnored(name) ? undefined : { metric: 0, interface: name };
  };
}
