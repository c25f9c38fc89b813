import type { Logger } from "../core/logger.ts";
import type { DeviceStep } from "../fib/device/types.ts";
import type { AddressFamily, IpAddress } from "../net/address.ts";
import type { ForwardingEntry, Neighbour } from "../netlink/types.ts";

/** The other end of the tunnel at one node. */
export interface VxlanPeer {
  /** Address of its VXLAN device: the gateway of routes through the tunnel. */
  readonly vtep: IpAddress;
  /** Of its VXLAN device, `66:48:f6:56:dc:f1`. */
  readonly macAddress: string;
  /** The node's own address, where the packets go. */
  readonly address: IpAddress;
}

/** Peers in a form that can be compared with the kernel's tables. */
export class PeerTable {
  /** VTEP address to peer. */
  readonly #byVtep = new Map<string, VxlanPeer>();
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
    for (const [vtep, { vtep: address, macAddress, address: destination }] of this.#byVtep) {
      // The neighbour first: a forwarding entry alone is of no use, and routes come after both.
      if (held.get(vtep)?.macAddress !== macAddress)
        steps.push({
          request: { op: "neighbour-replace", neighbour: { interfaceIndex, address, macAddress, state: "permanent" } },
        });
      if (reached.get(macAddress)?.destination.equals(destination) !== true)
        steps.push({ request: { op: "forwarding-replace", entry: { interfaceIndex, macAddress, destination } } });
    }
    for (const [vtep, { address }] of held)
      if (!this.#byVtep.has(vtep))
        steps.push({ request: { op: "neighbour-delete", neighbour: { interfaceIndex, address } } });
    for (const [macAddress, entry] of reached)
      if (!this.#byMac.has(macAddress)) steps.push({ request: { op: "forwarding-delete", entry } });
    return steps;
  }
}

/** The VTEPs to which the kernel's entries lead, as text. */
export function reachableVteps(neighbours: readonly Neighbour[], forwarding: readonly ForwardingEntry[]): Set<string> {
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
