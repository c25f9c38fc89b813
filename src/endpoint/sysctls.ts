import type { AddressFamily, IpAddress } from "../net/address.ts";

/** A kernel setting and its value. */
export interface Sysctl {
  /** Below /proc/sys, e.g. `["net", "ipv4", "ip_forward"]`; a list, since interface names may hold dots. */
  readonly path: readonly string[];
  readonly value: string;
  /** A kernel without it can do without it, too. */
  readonly optional: boolean;
}

/**
 * Settings of the host end, to be made before it goes up: it answers for every address (proxy ARP and NDP, at once), it
 * forwards, and it neither checks its own address for duplicates nor listens to router advertisements. Those of IPv6 are
 * optional where the pod has no IPv6 address.
 */
export function hostSysctls(interfaceName: string, addresses: readonly IpAddress[]): readonly Sysctl[] {
  const optional6 = !hasFamily(addresses, 6);
  const v4 = (kind: string, key: string, value: string, optional = false): Sysctl => ({
    path: ["net", "ipv4", kind, interfaceName, key],
    value,
    optional,
  });
  const v6 = (key: string, value: string, optional = optional6): Sysctl => ({
    path: ["net", "ipv6", "conf", interfaceName, key],
    value,
    optional,
  });
  return [
    v4("conf", "route_localnet", "1"),
    v4("neigh", "proxy_delay", "0", true),
    v4("conf", "proxy_arp", "1"),
    v4("conf", "forwarding", "1"),
    v6("accept_dad", "0"),
    v6("disable_ipv6", "0"),
    v6("proxy_ndp", "1"),
    v6("forwarding", "1"),
    v6("accept_ra", "0", true),
  ];
}

/** Settings inside the pod, made once with its interface and left to the pod afterwards. */
export function podSysctls(
  interfaceName: string,
  addresses: readonly IpAddress[],
  allowForwarding: boolean,
): readonly Sysctl[] {
  const forwarding = allowForwarding ? "1" : "0";
  const common: readonly Sysctl[] = [
    { path: ["net", "ipv4", "ip_forward"], value: forwarding, optional: false },
    { path: ["net", "ipv6", "conf", "all", "forwarding"], value: forwarding, optional: true },
  ];
  if (!hasFamily(addresses, 6)) return common;
  const v6 = (scope: string, key: string, value: string): Sysctl => ({
    path: ["net", "ipv6", "conf", scope, key],
    value,
    optional: false,
  });
  return [
    ...common,
    ...["all", "default", "lo", interfaceName].map((scope) => v6(scope, "disable_ipv6", "0")),
    // The address is ours alone; it shall work at once.
    v6(interfaceName, "accept_dad", "0"),
  ];
}

/** `net/ipv4/ip_forward`: a path as text. */
export function sysctlName(path: readonly string[]): string {
  return path.join("/");
}

export function hasFamily(addresses: readonly IpAddress[], family: AddressFamily): boolean {
  return addresses.some((address) => address.family === family);
}
