import type { Link } from "../../netlink/types.ts";

/** Octets that each encapsulation adds to a packet: outer IP header, UDP, and for VXLAN its own and the inner Ethernet header. */
export const tunnelOverhead = { ipip: 20, udp: 28, vxlan: 50, "vxlan-v6": 70 } as const;

/** Devices that lead to other nodes, by the names that Calico takes for such. */
export const defaultMtuPattern = /^((en|wl|ww|sl|ib)[Pcopsvx].*|(eth|wlan|wwan).*)/;

/** What Calico takes if no device says anything. */
const fallbackMtu = 1460;

/** The MTU of a tunnel over devices with `underlayMtu`; both in octets. */
export function tunnelMtu(kind: keyof typeof tunnelOverhead, underlayMtu: number): number {
  return underlayMtu - tunnelOverhead[kind];
}

/**
 * The smallest MTU among the devices that packets to other nodes may leave by: up, and either named as `pattern` says or
 * among `carriers`, the indexes of devices that have the node's address (a bond, a bridge, a vlan, whatever it is called).
 */
export function hostMtu(links: readonly Link[], carriers: ReadonlySet<number>, pattern = defaultMtuPattern): number {
  const candidates = links.filter(
    ({ up, loopback, name, index }) => up && !loopback && (carriers.has(index) || pattern.test(name)),
  );
  return candidates.length === 0 ? fallbackMtu : Math.min(...candidates.map(({ mtu }) => mtu));
}
