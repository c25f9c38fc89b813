import type { Prefix } from "../net/prefix.ts";
import type { Failure } from "../netlink/slices.ts";
import type { Link, RouteShape } from "../netlink/types.ts";
import type { LinkTable } from "./link-table.ts";
import type { DesiredForwarding, DesiredRoute, RouteKind, RouteState, TunnelMode } from "./types.ts";

/** Answers that mean "no way to there now": a change of links, addresses or routes may cure them. */
const unreachableCodes = new Set(["ENETUNREACH", "EHOSTUNREACH", "ENODEV", "ENETDOWN"]);

/** State and reason of a route that the kernel refused. */
export function refusal(failure: Failure): { readonly state: RouteState; readonly reason: string } {
  const text = `${failure.code}: ${failure.message}`;
  if (failure.code === "EEXIST")
    return { state: "conflict", reason: `another program has just written a route with this key (${text})` };
  return { state: unreachableCodes.has(failure.code) ? "unresolved" : "pending", reason: text };
}

/**
 * A desired route that says what a route from before the restart does, so that it can be listed. What it was for is a
 * guess from its form until the agent desires it again.
 */
export function adoptedRoute(prefix: Prefix, route: RouteShape | undefined, links: LinkTable): DesiredRoute {
  const forwarding = adoptedForwarding(route, links);
  const kinds: Partial<Record<DesiredForwarding["mode"], RouteKind>> = { blackhole: "local-block", device: "workload" };
  return {
    prefix,
    kind: kinds[forwarding.mode] ?? "remote-block",
    forwarding,
    metric: route?.metric ?? 0,
    ...(route?.mtu === undefined ? {} : { mtu: route.mtu }),
    ...(route?.preferredSource === undefined ? {} : { preferredSource: route.preferredSource }),
    stale: true,
    reason: "found in the kernel at start",
  };
}

/** What the device tells: a tunl0 may be a TUN device, and others are UDP's. */
function modeOfDevice({ name, kind }: Link): "direct" | TunnelMode {
  if (kind === "ipip" || name === "tunl0") return "ipip";
  if (kind === "vxlan") return "vxlan";
  return kind === "tun" ? "udp" : "direct";
}

function adoptedForwarding(route: RouteShape | undefined, links: LinkTable): DesiredForwarding {
  const [first] = route?.nextHops ?? [];
  if (route === undefined || route.type !== "unicast" || first === undefined) return { mode: "blackhole" };
  const nameOf = (index: number | undefined): string | undefined =>
    index === undefined ? undefined : links.byIndex(index)?.name;
  const device = first.interfaceIndex === undefined ? undefined : links.byIndex(first.interfaceIndex);
  if (first.gateway === undefined) return { mode: "device", device: nameOf(first.interfaceIndex) ?? "" };
  return {
    mode: device === undefined ? "direct" : modeOfDevice(device),
    nextHops: route.nextHops.flatMap(({ gateway, interfaceIndex, onlink }) => {
      const device = nameOf(interfaceIndex);
      return gateway === undefined ? [] : [{ gateway, onlink, ...(device === undefined ? {} : { device }) }];
    }),
  };
}
