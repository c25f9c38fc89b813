import { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { type KernelRoute, type Link, mainTable, type NetlinkRequest, type RouteNextHop } from "../netlink/types.ts";
import { EndpointError } from "./errors.ts";
import { hasFamily, hostSysctls, type Sysctl, sysctlName } from "./sysctls.ts";
import { type EndpointSpec, hostMacAddress, type ObservedEndpoint } from "./types.ts";

/** One change that brings an endpoint nearer to what it shall be. `what` names it for people. */
export type Step =
  | { readonly side: "host" | "pod"; readonly what: string; readonly request: NetlinkRequest }
  | { readonly side: "host"; readonly what: string; readonly sysctl: Sysctl }
  /** The kernel has yet to do something by itself. */
  | { readonly side: "wait"; readonly what: string };

/** The pod's IPv4 gateway; no interface has it, the host answers for it. */
const gateway4 = IpAddress.parse("169.254.1.1");

/** Metric of an IPv6 route that is written without one. */
const defaultMetric6 = 1024;

const anyPrefix = { 4: Prefix.parse("0.0.0.0/0"), 6: Prefix.parse("::/0") } as const;

/** True if the two are the ends of one veth. */
function isPair(host: Link | undefined, pod: Link | undefined): boolean {
  return (
    host?.kind === "veth" &&
    pod?.kind === "veth" &&
    host.linkIndex === pod.index &&
    pod.linkIndex === host.index &&
    host.linkNamespaceId !== undefined
  );
}

/**
 * What is wrong with the veth as a whole: undefined if both ends are there and belong together, else whether a leftover
 * host end has to go first. Throws `INTERFACE_EXISTS` if a name is taken by something that is not ours to delete.
 */
export function planVeth(spec: EndpointSpec, observed: ObservedEndpoint): { readonly leftover: boolean } | undefined {
  const { hostLink, podLink } = observed;
  if (isPair(hostLink, podLink)) return undefined;
  if (hostLink !== undefined && hostLink.kind !== "veth")
    throw new EndpointError(
      "INTERFACE_EXISTS",
      `${spec.hostInterfaceName} on the host is ${hostLink.kind ?? "a physical interface"}, not the veth of a pod`,
      { interface: spec.hostInterfaceName, kind: hostLink.kind },
    );
  if (podLink !== undefined)
    throw new EndpointError(
      "INTERFACE_EXISTS",
      `the pod has an interface ${spec.containerInterfaceName} already, which does not lead to ${spec.hostInterfaceName}`,
      { interface: spec.containerInterfaceName, kind: podLink.kind },
    );
  return { leftover: hostLink !== undefined };
}

/**
 * The differences between an endpoint whose veth exists and what it shall be, as the steps that remove them, in the
 * order in which they have to be done. Empty if all is well. Throws `ROUTE_EXISTS` if the pod routes otherwise.
 */
export function planEndpoint(spec: EndpointSpec, observed: ObservedEndpoint): readonly Step[] {
  const { hostLink, podLink } = observed;
  if (hostLink === undefined || podLink === undefined) return [{ side: "wait", what: "the veth" }];
  return [
    ...planHostSettings(spec, observed),
    ...planLink("host", hostLink, spec.mtu, hostMacAddress),
    ...planLoopback(observed.podLoopback),
    ...planLink("pod", podLink, spec.mtu, spec.containerMacAddress),
    ...spec.addresses.flatMap((address) => planAddress(address, podLink, observed)),
    ...(hasFamily(spec.addresses, 4) ? planGateway(gateway4, podLink, observed) : []),
    ...(hasFamily(spec.addresses, 6) ? planGateway6(podLink, observed) : []),
  ];
}

function planHostSettings(spec: EndpointSpec, observed: ObservedEndpoint): readonly Step[] {
  return hostSysctls(spec.hostInterfaceName, spec.addresses)
    .filter(({ path, value, optional }) => {
      const present = observed.hostSysctls.get(sysctlName(path));
      return present !== value && !(present === undefined && optional);
    })
    .map((sysctl) => ({ side: "host", what: `${sysctlName(sysctl.path)}=${sysctl.value}`, sysctl }));
}

/** The MAC address and MTU are set before the link goes up. */
function planLink(side: "host" | "pod", link: Link, mtu: number | undefined, macAddress: string | undefined): Step[] {
  const change = {
    ...(macAddress === undefined || link.macAddress === macAddress ? {} : { macAddress }),
    ...(mtu === undefined || link.mtu === mtu ? {} : { mtu }),
    ...(link.up ? {} : { up: true }),
  };
  if (Object.keys(change).length === 0) return [];
  const what = Object.entries(change).map(([key, value]) => `${key} ${value}`);
  return [
    {
      side,
      what: `${link.name} with ${what.join(", ")}`,
      request: { op: "link-set", link: link.index, change },
    },
  ];
}

function planLoopback(loopback: Link | undefined): readonly Step[] {
  if (loopback === undefined || loopback.up) return [];
  return [{ side: "pod", what: "lo up", request: { op: "link-set", link: loopback.index, change: { up: true } } }];
}

function planAddress(address: IpAddress, podLink: Link, observed: ObservedEndpoint): readonly Step[] {
  const prefixLength = address.bits;
  const isThere = observed.podAddresses.some(
    (held) =>
      held.interfaceIndex === podLink.index && held.address.equals(address) && held.prefixLength === prefixLength,
  );
  if (isThere) return [];
  return [
    {
      side: "pod",
      what: `address ${address}/${prefixLength}`,
      request: {
        op: "address-replace",
        address: { interfaceIndex: podLink.index, address, prefixLength, scope: "universe" },
      },
    },
  ];
}

function planGateway6(podLink: Link, observed: ObservedEndpoint): readonly Step[] {
  if (observed.hostLinkLocal === undefined) return [{ side: "wait", what: "a link-local address of the host end" }];
  return planGateway(observed.hostLinkLocal, podLink, observed);
}

/**
 * The gateway is a neighbour whose MAC address is known for ever (so that nothing depends on the host having a route for
 * it and answering), reached by a route of its own; everything else goes by it.
 */
function planGateway(gateway: IpAddress, podLink: Link, observed: ObservedEndpoint): readonly Step[] {
  const leg: RouteNextHop = { interfaceIndex: podLink.index, onlink: false, weight: 1 };
  const route = (destination: Prefix, scope: "link" | "universe", nextHop: RouteNextHop): KernelRoute => ({
    destination,
    type: "unicast",
    table: mainTable,
    protocol: 3,
    scope: gateway.family === 6 ? "universe" : scope,
    metric: gateway.family === 6 ? defaultMetric6 : 0,
    tos: 0,
    nextHops: [nextHop],
  });
  return [
    ...planNeighbour(gateway, podLink, observed),
    ...planRoute(route(Prefix.host(gateway), "link", leg), observed),
    ...planRoute(route(anyPrefix[gateway.family], "universe", { ...leg, gateway }), observed),
  ];
}

function planNeighbour(address: IpAddress, podLink: Link, observed: ObservedEndpoint): readonly Step[] {
  const isThere = observed.podNeighbours.some(
    (held) => held.address.equals(address) && held.macAddress === hostMacAddress && held.state === "permanent",
  );
  if (isThere) return [];
  return [
    {
      side: "pod",
      what: `neighbour ${address} at ${hostMacAddress}`,
      request: {
        op: "neighbour-replace",
        neighbour: { interfaceIndex: podLink.index, address, macAddress: hostMacAddress, state: "permanent" },
      },
    },
  ];
}

function planRoute(wanted: KernelRoute, observed: ObservedEndpoint): readonly Step[] {
  const [leg] = wanted.nextHops;
  const held = observed.podRoutes.find(
    ({ destination, metric, tos }) =>
      destination.equals(wanted.destination) && metric === wanted.metric && tos === wanted.tos,
  );
  const what = `route ${wanted.destination}`;
  if (held === undefined) return [{ side: "pod", what, request: { op: "route-add", route: wanted } }];
  const [heldLeg] = held.nextHops;
  if (held.nextHops.length !== 1 || heldLeg?.interfaceIndex !== leg?.interfaceIndex)
    throw new EndpointError(
      "ROUTE_EXISTS",
      `the pod has a route ${wanted.destination} already that does not leave by the interface to be wired`,
      { route: wanted.destination.toString(), protocol: held.protocol },
    );
  const same = leg?.gateway === undefined ? heldLeg?.gateway === undefined : heldLeg?.gateway?.equals(leg.gateway);
  return same === true ? [] : [{ side: "pod", what, request: { op: "route-replace", route: wanted } }];
}
