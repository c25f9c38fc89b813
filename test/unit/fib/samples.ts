import type { DesiredForwarding, DesiredRoute, RouteDemand } from "../../../src/fib/types.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { type KernelRoute, type Link, mainTable } from "../../../src/netlink/types.ts";

export const prefix = (text: string): Prefix => Prefix.parse(text);
export const address = (text: string): IpAddress => IpAddress.parse(text);

export function link(index: number, name: string, up = true): Link {
  return { index, name, mtu: 1500, up, running: up, loopback: false };
}

export function kernelRoute(destination: string, fields: Partial<KernelRoute> = {}): KernelRoute {
  return {
    destination: prefix(destination),
    type: "unicast",
    table: mainTable,
    protocol: 202,
    scope: "universe",
    metric: 0,
    tos: 0,
    nextHops: [],
    ...fields,
  };
}

/** The route of a device's own subnet, as the kernel makes it with an address. */
export function connected(destination: string, interfaceIndex: number): KernelRoute {
  return kernelRoute(destination, {
    protocol: 2,
    scope: "link",
    nextHops: [{ interfaceIndex, onlink: false, weight: 1 }],
  });
}

export function desired(
  destination: string,
  forwarding: DesiredForwarding,
  fields: Partial<DesiredRoute> = {},
): DesiredRoute {
  return { prefix: prefix(destination), kind: "remote-block", forwarding, metric: 0, reason: "test", ...fields };
}

/** What `Fib.update` takes for these routes. */
export function demanded(...routes: readonly DesiredRoute[]): RouteDemand[] {
  return routes.map(({ prefix: to, ...wish }) => ({ prefix: to, wish }));
}

export const blackhole: DesiredForwarding = { mode: "blackhole" };

export function via(...gateways: readonly string[]): DesiredForwarding {
  return { mode: "direct", nextHops: gateways.map((gateway) => ({ gateway: address(gateway) })) };
}

export function device(name: string): DesiredForwarding {
  return { mode: "device", device: name };
}
