import type { Family } from "../../../../src/bgp/packet/family.ts";
import type { DaemonConfig, NeighborConfig, NetworkConfig } from "./daemon.ts";

export const familyName = (family: Family): string => (family === "ipv4-unicast" ? "ipv4 unicast" : "ipv6 unicast");

/** bgpd's configuration file. */
export function frrConfig({ as, routerId, neighbors, networks }: DaemonConfig): string {
  const longLived = neighbors.find(({ longLivedSec }) => longLivedSec !== undefined)?.longLivedSec;
  const restart = neighbors.find(({ gracefulRestartSec }) => gracefulRestartSec !== undefined)?.gracefulRestartSec;
  return [
    "frr defaults traditional",
    "log stdout informational",
    // It waits five seconds with what it has said about a route map that it did not know yet.
    ...networks.flatMap((network, index) => routeMap(network, index)),
    `router bgp ${as}`,
    ` bgp router-id ${routerId}`,
    " bgp log-neighbor-changes",
    " no bgp ebgp-requires-policy",
    " no bgp network import-check",
    " no bgp default ipv4-unicast",
    " timers bgp 30 90",
    ...(restart === undefined
      ? [" bgp graceful-restart-disable"]
      : [
          " bgp graceful-restart",
          ` bgp graceful-restart restart-time ${restart}`,
          " bgp graceful-restart preserve-fw-state",
        ]),
    ...(longLived === undefined ? [] : [` bgp long-lived-graceful-restart stale-time ${longLived}`]),
    ...neighbors.flatMap((neighbor) => neighborLines(neighbor)),
    ...(["ipv4-unicast", "ipv6-unicast"] as const).flatMap((family) => familyLines(family, neighbors, networks)),
    "",
  ].join("\n");
}

function neighborLines(neighbor: NeighborConfig): string[] {
  const { address } = neighbor;
  const options = [
    `remote-as ${neighbor.remoteAs}`,
    `update-source ${neighbor.localAddress}`,
    ...(neighbor.production
      ? [`timers ${Math.floor(neighbor.production.holdSec / 3)} ${neighbor.production.holdSec}`]
      : ["timers connect 1"]),
    ...(neighbor.passive ? ["passive"] : []),
    ...(neighbor.password === undefined ? [] : [`password ${neighbor.password}`]),
    ...(neighbor.ttlSecurity ? ["ttl-security hops 1"] : []),
    ...(neighbor.twoOctetAs ? ["dont-capability-negotiate"] : []),
    ...(neighbor.role === undefined ? [] : [`local-role ${neighbor.role} strict-mode`]),
    ...(neighbor.bfd ? ["bfd", "bfd 3 100 100"] : []),
    ...(neighbor.extendedNextHop ? ["capability extended-nexthop"] : []),
  ];
  return options.map((option) => ` neighbor ${address} ${option}`);
}

function familyLines(
  family: Family,
  neighbors: readonly NeighborConfig[],
  networks: readonly NetworkConfig[],
): string[] {
  const options = (neighbor: NeighborConfig) => [
    "activate",
    ...(neighbor.addPath ? ["addpath-tx-all-paths"] : []),
    ...(neighbor.routeReflectorClient ? ["route-reflector-client"] : []),
    ...(neighbor.maxPrefixes === undefined ? [] : [`maximum-prefix ${neighbor.maxPrefixes}`]),
  ];
  return [
    ` address-family ${familyName(family)}`,
    ...networks.flatMap(({ prefix }, index) =>
      prefix.includes(":") === (family === "ipv6-unicast") ? [`  network ${prefix} route-map network${index}`] : [],
    ),
    ...neighbors
      .filter(({ families }) => families.includes(family))
      .flatMap((neighbor) => options(neighbor).map((option) => `  neighbor ${neighbor.address} ${option}`)),
    " exit-address-family",
  ];
}

function routeMap({ community, largeCommunity, routeTarget, med, nextHop }: NetworkConfig, index: number): string[] {
  return [
    `route-map network${index} permit 10`,
    ...(community === undefined ? [] : [` set community ${community}`]),
    ...(largeCommunity === undefined ? [] : [` set large-community ${largeCommunity}`]),
    ...(routeTarget === undefined ? [] : [` set extcommunity rt ${routeTarget}`]),
    ...(med === undefined ? [] : [` set metric ${med}`]),
    ...(nextHop === undefined
      ? []
      : [` set ${nextHop.includes(":") ? "ipv6 next-hop global" : "ip next-hop"} ${nextHop}`]),
  ];
}
