import { ipipDeviceName } from "../../ipip/tunnel-device.ts";
import type { TableFamily } from "../../nat/table.ts";
import {
  type InterfaceAddress,
  type KernelRoute,
  type Link,
  mainTable,
  type NetlinkRequest,
  RouteProtocol,
} from "../../netlink/types.ts";

/** By what an agent's things are known in the kernel; as the agent was configured. */
export interface CleanupSettings {
  readonly routeProtocol: number;
  readonly vxlanDevice: string;
  readonly vxlanDeviceV6: string;
  readonly vxlanVni: number;
  readonly vxlanPort: number;
  readonly udpEncapDevice: string;
  readonly interfacePrefix: string;
}

/** What the kernel has, ours or not. */
export interface KernelState {
  /** Of the main table. */
  readonly routes: readonly KernelRoute[];
  readonly links: readonly Link[];
  readonly addresses: readonly InterfaceAddress[];
  /** Families of the nftables tables that have our name. */
  readonly tables: readonly TableFamily[];
}

/** Something that an agent left in the kernel, with the words for people and what removes it. */
export type Leftover =
  | { readonly kind: "route" | "address" | "device"; readonly name: string; readonly request: NetlinkRequest }
  | { readonly kind: "table"; readonly name: string };

export interface CleanupPlan {
  /** In the order in which they have to go. */
  readonly leftovers: readonly Leftover[];
  /** What looks like ours but stays, a sentence each. */
  readonly kept: readonly string[];
}

/**
 * What an agent left: routes of its protocol, the address of tunl0 (a TUN device goes altogether, the kernel's own cannot),
 * the TUN device of UDP tunnels, the VXLAN devices with their names, VNI and port, tables, and with `pods` the host ends of pods' interfaces. A device that
 * somebody else's route uses stays as it is.
 */
export function planCleanup(state: KernelState, settings: CleanupSettings, pods: boolean): CleanupPlan {
  const leftovers: Leftover[] = state.routes
    .filter((route) => route.table === mainTable && route.protocol === settings.routeProtocol)
    .map(routeLeftover);
  const kept: string[] = [];
  for (const link of state.links) {
    const found = linkLeftovers(link, state, settings, pods);
    if (found.length === 0) continue;
    const user = state.routes.find((route) => isForeign(route, settings) && leadsThrough(route, link));
    if (user === undefined) leftovers.push(...found);
    else
      kept.push(
        `${link.name} stays: the route ${user.destination} of protocol ${user.protocol}, which is not ours, uses it`,
      );
  }
  leftovers.push(...state.tables.map((family) => ({ kind: "table" as const, name: `${family} calibird` })));
  return { leftovers, kept };
}

function routeLeftover(route: KernelRoute): Leftover {
  const { destination, table, metric, tos, protocol, type } = route;
  return {
    kind: "route",
    name: `${type === "unicast" ? "" : `${type} `}${destination}${metric === 0 ? "" : ` metric ${metric}`}`,
    request: { op: "route-delete", key: { destination, table, metric, tos }, protocol, type },
  };
}

function linkLeftovers(link: Link, { addresses }: KernelState, settings: CleanupSettings, pods: boolean): Leftover[] {
  const whole: Leftover[] = [{ kind: "device", name: link.name, request: { op: "link-delete", link: link.index } }];
  switch (link.kind) {
    case "vxlan": {
      const { vxlanDevice, vxlanDeviceV6, vxlanVni, vxlanPort } = settings;
      const isNamed = link.name === vxlanDevice || link.name === vxlanDeviceV6;
      const isOurs = isNamed && link.vxlan?.vni === vxlanVni && link.vxlan.port === vxlanPort;
      return isOurs ? whole : [];
    }
    case "tun":
      return link.name === ipipDeviceName || link.name === settings.udpEncapDevice ? whole : [];
    case "ipip":
      // One that leads to a single node is somebody else's.
      return link.name === ipipDeviceName && link.ipip?.remote === undefined ? addressLeftovers(link, addresses) : [];
    case "veth":
      return pods && link.name.startsWith(settings.interfacePrefix) ? whole : [];
    default:
      return [];
  }
}

function addressLeftovers({ index, name }: Link, addresses: readonly InterfaceAddress[]): Leftover[] {
  return addresses
    .filter(({ interfaceIndex, address }) => interfaceIndex === index && address.family === 4)
    .map((address) => ({
      kind: "address",
      name: `${address.address}/${address.prefixLength} of ${name}`,
      request: { op: "address-delete", address },
    }));
}

/** The kernel's own routes come and go with the addresses that they belong to. */
function isForeign({ protocol }: KernelRoute, { routeProtocol }: CleanupSettings): boolean {
  return protocol !== routeProtocol && protocol !== RouteProtocol.kernel;
}

function leadsThrough({ nextHops }: KernelRoute, { index }: Link): boolean {
  return nextHops.some(({ interfaceIndex }) => interfaceIndex === index);
}
