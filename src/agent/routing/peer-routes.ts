import type { DesiredForwarding } from "../../fib/types.ts";
import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { PrefixMap, PrefixSet } from "../../net/prefix-map.ts";
import type { PeerRoute } from "./sources.ts";

/** The ways to BGP peers that are not on a link of this node, by the peer's address. */
export class PeerRoutes {
  readonly #routes = new PrefixMap<PeerRoute>();

  get(prefix: Prefix): PeerRoute | undefined {
    return this.#routes.get(prefix);
  }

  /** Takes the whole set; returns the addresses whose way is another one now. */
  replace(routes: readonly PeerRoute[]): PrefixSet {
    const before = new PrefixMap(this.#routes.entries());
    this.#routes.clear();
    for (const route of routes) this.#routes.set(route.prefix, route);
    const changed = new PrefixSet();
    for (const prefix of [...before.keys(), ...this.#routes.keys()])
      if (!sameRoute(before.get(prefix), this.#routes.get(prefix))) changed.add(prefix);
    return changed;
  }

  /** The kernel does not look gateways up in our own routes, so one that is reached by such a route is replaced by its. */
  resolve(forwarding: DesiredForwarding): DesiredForwarding {
    if (this.#routes.size === 0 || !("nextHops" in forwarding)) return forwarding;
    const nextHops = forwarding.nextHops.map((hop) => {
      const gateway = hop.device === undefined ? this.gatewayOf(hop.gateway) : undefined;
      return gateway === undefined ? hop : { ...hop, gateway };
    });
    return { ...forwarding, nextHops };
  }

  gatewayOf(address: IpAddress): IpAddress | undefined {
    return this.#routes.get(Prefix.host(address))?.gateway;
  }
}

function sameRoute(left: PeerRoute | undefined, right: PeerRoute | undefined): boolean {
  return left !== undefined && right !== undefined && left.peer === right.peer && left.gateway.equals(right.gateway);
}
