import type { IpAddress } from "../net/address.ts";
import type { NetlinkAccess } from "../netlink/types.ts";
import { hostSysctls, sysctlName } from "./sysctls.ts";
import type { EndpointSpec, ObservedEndpoint } from "./types.ts";

/** Reads one setting of the host; undefined if this kernel or interface does not have it. */
export type SysctlReader = (path: readonly string[]) => string | undefined;

/** Reads everything that concerns one endpoint from the two namespaces. */
export async function observeEndpoint(
  host: NetlinkAccess,
  pod: NetlinkAccess,
  readHostSysctl: SysctlReader,
  spec: EndpointSpec,
): Promise<ObservedEndpoint> {
  const [hostLinks, podLinks] = await Promise.all([host.links(), pod.links()]);
  const hostLink = hostLinks.find(({ name }) => name === spec.hostInterfaceName);
  const podLink = podLinks.find(({ name }) => name === spec.containerInterfaceName);
  const podLoopback = podLinks.find(({ loopback }) => loopback);
  const [hostAddresses, podAddresses, podNeighbours, podRoutes] = await Promise.all([
    host.addresses(),
    pod.addresses(),
    pod.neighbours(),
    pod.routes(),
  ]);
  const hostLinkLocal = hostAddresses.find(
    ({ interfaceIndex, address, scope }) =>
      interfaceIndex === hostLink?.index && address.family === 6 && scope === "link",
  )?.address;
  return {
    ...(hostLink === undefined ? {} : { hostLink }),
    ...(hostLinkLocal === undefined ? {} : { hostLinkLocal }),
    hostSysctls: hostLink === undefined ? new Map() : readSettings(readHostSysctl, hostLink.name, spec.addresses),
    ...(podLink === undefined ? {} : { podLink }),
    ...(podLoopback === undefined ? {} : { podLoopback }),
    podAddresses,
    podNeighbours: podNeighbours.filter(({ interfaceIndex }) => interfaceIndex === podLink?.index),
    podRoutes,
  };
}

function readSettings(
  read: SysctlReader,
  interfaceName: string,
  addresses: readonly IpAddress[],
): ReadonlyMap<string, string | undefined> {
  return new Map(hostSysctls(interfaceName, addresses).map(({ path }) => [sysctlName(path), read(path)]));
}
