import type { Logger } from "../core/logger.ts";
import type { DeviceStep } from "../fib/device/types.ts";
import { type AddressFamily, IpAddress } from "../net/address.ts";
import type { ForwardingEntry, Neighbour } from "../netlink/types.ts";

/** The other end of the tunnel at one node. */
export interface VxlanPeer {
  /** Address of its VXLAN device. */
  readonly vtep: IpAddress;
  /** Of its VXLAN device, `66:48:f6:56:dc:f1`. */
  readonly macAddress: string;
  /** The node's own address, where the packets go. */
  readonly address: IpAddress;
}

/**
 * What routes through the tunnel name as the gateway to a peer: its VTEP, or in IPv6 the link-local address that follows
 * from its MAC address (RFC 4291, appendix A). Of any other IPv6 gateway Linux looks up whether the main table leads to it by
 * the same device, `onlink` or not, and a VTEP is in the very block whose route is to be moved into the tunnel.
 */
export function vxlanGateway({ vtep, macAddress }: Pick<VxlanPeer, "vtep" | "macAddress">): IpAddress {
  if (vtep.family === 4) return vtep;
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = macAddress.split(":").map((octet) => Number.parseInt(octet, 16));
  return IpAddress.v6(
    0xfe800000,
    0,
    ((a ^ 2) << 24) | (b << 16) | (c << 8) | 0xff,
    (0xfe << 24) | (d << 16) | (e << 8) | f,
  );
}

/** Peers in a form that can be compared with the kernel's tables. */
export class PeerTable {
  /** VTEP address to peer. */
  readonly #byVtep = new Map<string, VxlanPeer>();
  /** Every address that has a neighbour entry to the MAC address behind it: VTEPs and gateways. */
  readonly #neighbours = new Map<string, { readonly address: IpAddress; readonly macAddress: string }>();
  /** MAC address to peer. */
  readonly #byMac = new Map<string, VxlanPeer>();

  /** Of two peers that claim the same VTEP or MAC address the first counts, and the log says so. */
  constructor(peers: readonly VxlanPeer[], logger: Logger) {
    for (const given of peers) {
      const peer = { ...given, macAddress: given.macAddress.toLowerCase() };
      const vtep = peer.vtep.toString();
      const rival = this.#byVtep.get(vtep) ?? this.#byMac.get(peer.macAddress);
      if (rival === undefined) {
        this.#byVtep.set(vtep, peer);
        this.#byMac.set(peer.macAddress, peer);
        for (const address of [peer.vtep, vxlanGateway(peer)])
          this.#neighbours.set(address.toString(), { address, macAddress: peer.macAddress });
      } else if (!rival.address.equals(peer.address))
        logger.warn(
          { vtep, macAddress: peer.macAddress, nodes: [rival.address.toString(), peer.address.toString()] },
          "two nodes have the same VXLAN tunnel or MAC address; only the first is reached",
        );
    }
  }

  /** Steps from the permanent entries of a device to those of these peers; all other entries are left alone. */
  plan(
    interfaceIndex: number,
    family: AddressFamily,
    {
      neighbours,
      forwarding,
    }: { readonly neighbours: readonly Neighbour[]; readonly forwarding: readonly ForwardingEntry[] },
  ): DeviceStep[] {
    const held = new Map(neighbours.filter(isPermanent(family)).map((entry) => [entry.address.toString(), entry]));
    const reached = new Map(forwarding.filter(({ permanent }) => permanent).map((entry) => [entry.macAddress, entry]));
    const steps: DeviceStep[] = [];
    // The neighbours first: a forwarding entry alone is of no use, and routes come after both.
    for (const [text, { address, macAddress }] of this.#neighbours)
      if (held.get(text)?.macAddress !== macAddress)
        steps.push({
          request: { op: "neighbour-replace", neighbour: { interfaceIndex, address, macAddress, state: "permanent" } },
        });
    for (const [macAddress, { address: destination }] of this.#byMac)
      if (reached.get(macAddress)?.destination.equals(destination) !== true)
        steps.push({ request: { op: "forwarding-replace", entry: { interfaceIndex, macAddress, destination } } });
    for (const [text, { address }] of held)
      if (!this.#neighbours.has(text))
        steps.push({ request: { op: "neighbour-delete", neighbour: { interfaceIndex, address } } });
    for (const [macAddress, entry] of reached)
      if (!this.#byMac.has(macAddress)) steps.push({ request: { op: "forwarding-delete", entry } });
    return steps;
  }
}

/** The VTEPs and gateways to which the kernel's entries lead, as text. */
export function reachableAddresses(
  neighbours: readonly Neighbour[],
  forwarding: readonly ForwardingEntry[],
): Set<string> {
  const macs = new Set(forwarding.map(({ macAddress }) => macAddress));
  return new Set(
    neighbours
      .filter(({ state, macAddress }) => state === "permanent" && macAddress !== undefined && macs.has(macAddress))
      .map(({ address }) => address.toString()),
  );
}

function isPermanent(family: AddressFamily): (entry: Neighbour) => boolean {
  return ({ state, address }) => state === "permanent" && address.family === family;
}
