import { isLinkLocal } from "../../bgp/packet/next-hop.ts";
import type { NextHopResolver } from "../../bgp/rib/next-hop-table.ts";
import type { IpAddress } from "../../net/address.ts";

/**
 * BGP's view of the kernel's table: a next hop is good if a route of somebody else's leads to it. Link-local ones are taken
 * at their word, since only the interface of the session says which link is meant.
 */
export function kernelResolver(
  interfaceTo: (gateway: IpAddress) => string | undefined,
  gatewayTo: (nextHop: IpAddress) => IpAddress,
): NextHopResolver {
  return ({ address }) => {
    if (isLinkLocal(address)) return { metric: 0 };
    const name = interfaceTo(gatewayTo(address));
    return name === undefined ? undefined : { metric: 0, interface: name };
  };
}
