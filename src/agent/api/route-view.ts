import { Origin } from "../../bgp/packet/attributes.ts";
import {
  formatAsPath,
  formatCommunity,
  formatExtendedCommunity,
  formatLargeCommunity,
} from "../../bgp/packet/format.ts";
import type { Path } from "../../bgp/paths.ts";
import type { RouteMode, RouteStatus } from "../../fib/types.ts";
import { IpAddress } from "../../net/address.ts";
import type { BgpRouteView, RouteView } from "./views.ts";

/** The view of one route; `best` is the path behind it if it was learned by BGP. */
export function routeView(status: RouteStatus, best: Path | undefined): RouteView {
  const { route } = status;
  const nextHops = nextHopsOf(status);
  return {
    prefix: route.prefix.toString(),
    kind: route.kind,
    mode: modeOf(status),
    nextHop: nextHops[0] ?? null,
    nextHops,
    device: status.device ?? null,
    node: route.node ?? null,
    protocol: status.protocol,
    metric: route.metric,
    bgp: best === undefined ? null : bgpView(best),
    state: status.state,
    reason: reasonOf(status),
    since: new Date(status.sinceMs).toISOString(),
  };
}

/** For a route that works, why it exists; for any other, what is the matter, and then why it should exist. */
function reasonOf({ state, reason, route }: RouteStatus): string {
  if (state === "installed" || reason === route.reason) return route.reason;
  return `${reason}; ${route.reason}`;
}

function modeOf(status: RouteStatus): RouteMode {
  const { forwarding } = status.route;
  return forwarding.mode === "none" ? forwarding.intended : forwarding.mode;
}

function nextHopsOf(status: RouteStatus): string[] {
  const { forwarding } = status.route;
  if ("nextHops" in forwarding) return forwarding.nextHops.map((nextHop) => nextHop.gateway.toString());
  return forwarding.mode === "none" && forwarding.nextHop !== undefined ? [forwarding.nextHop.toString()] : [];
}

const originNames = { [Origin.igp]: "igp", [Origin.egp]: "egp", [Origin.incomplete]: "incomplete" } as const;

export function bgpView(path: Path): BgpRouteView {
  const { attributes, source } = path;
  return {
    peer: source.kind === "local" ? "this node" : source.peer,
    asPath: formatAsPath(attributes.asPath),
    localPref: attributes.localPref ?? null,
    med: attributes.med ?? null,
    origin: originNames[attributes.origin],
    communities: [
      ...attributes.communities.map(formatCommunity),
      ...attributes.extendedCommunities.map(formatExtendedCommunity),
      ...attributes.largeCommunities.map(formatLargeCommunity),
    ],
    originatorId: attributes.originatorId === undefined ? null : IpAddress.v4(attributes.originatorId).toString(),
    clusterList: attributes.clusterList.map((id) => IpAddress.v4(id).toString()),
    onlyToCustomer: attributes.onlyToCustomer ?? null,
  };
}
