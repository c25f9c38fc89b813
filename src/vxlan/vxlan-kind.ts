import { addressesOf, planAddress } from "../fib/device/addresses.ts";
import { TunnelError } from "../fib/device/errors.ts";
import { findDevice, planName } from "../fib/device/find.ts";
import { tunnelOverhead } from "../fib/device/mtu.ts";
import type { DeviceKind, DeviceStep } from "../fib/device/types.ts";
import type { IpAddress } from "../net/address.ts";
import type { DeviceControl } from "../netlink/device-control.ts";
import type {
  ForwardingDatabase,
  ForwardingEntry,
  InterfaceAddress,
  Link,
  Neighbour,
  NetlinkAccess,
  NetlinkEvent,
  NetlinkRequest,
} from "../netlink/types.ts";
import type { PeerTable } from "./peers.ts";

/** What a node's VXLAN device shall be like. */
export interface VxlanWish {
  /** The node's VXLAN tunnel address (VTEP), given to the device as its only one, as a /32 or /128. */
  readonly address: IpAddress;
  /** In octets; 50 (IPv6: 70) less than packets to the other nodes may have. More than the parent allows is cut down. */
  readonly mtu: number;
  /** The node's own address, of the same family: source of the outer packets. */
  readonly localAddress: IpAddress;
  /** The interface that outer packets leave by. Default: the one that has `localAddress`, unless that is lo or a dummy. */
  readonly parentIndex?: number;
  /** Default: the one that the node's name gives. */
  readonly macAddress?: string;
}

/** A wish and everything else that the device depends on. */
export interface VxlanDemand extends VxlanWish {
  readonly macAddress: string;
}

/** Of all requests to the kernel, those for a VXLAN device. */
export type VxlanNetlink = Pick<NetlinkAccess, "links" | "addresses" | "neighbours"> & ForwardingDatabase;

export interface SeenVxlan {
  readonly links: readonly Link[];
  readonly link: Link | undefined;
  readonly parent: Link | undefined;
  /** Of the device. */
  readonly addresses: readonly InterfaceAddress[];
  readonly neighbours: readonly Neighbour[];
  readonly forwarding: readonly ForwardingEntry[];
  /** Looked up only if it shall be off. */
  readonly checksumOffload?: boolean;
}

interface VxlanKindOptions {
  readonly netlink: VxlanNetlink;
  /** Checksums of outer packets are computed by the kernel, not the network card, if this is given. */
  readonly checksumControl: Pick<DeviceControl, "checksumOffload" | "setChecksumOffload"> | undefined;
  readonly name: string;
  readonly vni: number;
  readonly port: number;
  /** Undefined: not known yet, so that entries from before a restart stay. */
  readonly peers: () => PeerTable | undefined;
}

/** What is particular to a VXLAN device. */
export class VxlanKind implements DeviceKind<VxlanDemand, SeenVxlan> {
  readonly #options: VxlanKindOptions;
  /** Indexes of the device and its parent when last seen. */
  #index: number | undefined;
  #parentIndex: number | undefined;

  constructor(options: VxlanKindOptions) {
    this.#options = options;
  }

  async look(wish: VxlanDemand | undefined): Promise<SeenVxlan> {
    const { netlink, name, vni, port, checksumControl } = this.#options;
    const links = await netlink.links();
    const all = await netlink.addresses();
    const isOurs = ({ vxlan }: Link): boolean => vxlan?.vni === vni && vxlan.port === port;
    const link = findDevice(links, name, this.#index, isOurs);
    const parent = wish && findParent(wish, links, all);
    this.#index = link?.index;
    this.#parentIndex = parent?.index ?? wish?.parentIndex;
    if (link === undefined || link.kind !== "vxlan" || wish === undefined)
      return { links, link, parent, addresses: [], neighbours: [], forwarding: [] };
    return {
      links,
      link,
      parent,
      addresses: addressesOf(all, link.index, wish.address.family),
      neighbours: await netlink.neighbours(link.index),
      forwarding: await netlink.forwardingEntries(link.index),
      ...(checksumControl && { checksumOffload: checksumControl.checksumOffload(link.name) }),
    };
  }

  plan(wish: VxlanDemand, seen: SeenVxlan): readonly DeviceStep[] {
    const { name, vni, port, peers, checksumControl } = this.#options;
    const { link, parent } = seen;
    if (parent === undefined && wish.parentIndex !== undefined)
      throw new TunnelError(
        "PARENT_MISSING",
        `interface ${wish.parentIndex}, which ${name} shall send by, does not exist`,
        { device: name, parentIndex: wish.parentIndex },
      );
    const mtu = allowedMtu(wish, parent);
    this.#refuseOthers(wish, seen);
    const creation: DeviceStep = {
      request: {
        op: "link-add",
        link: {
          ...{ kind: "vxlan", name, vni, port, mtu, macAddress: wish.macAddress, local: wish.localAddress },
          ...(parent && { parentIndex: parent.index }),
          learning: false,
          up: true,
        },
      },
    };
    if (link === undefined) return [creation];
    // One batch, so that the name is free for a moment only.
    if (!this.#canBecome(wish, link)) return [{ request: { op: "link-delete", link: link.index } }, creation];
    if (link.name !== name) return planName(link, name);
    const { index } = link;
    const set = (change: Extract<NetlinkRequest, { op: "link-set" }>["change"]): DeviceStep => ({
      request: { op: "link-set", link: index, change },
    });
    const steps: DeviceStep[] = [];
    const tunnel = tunnelChange(wish, link, parent);
    if (tunnel !== undefined) steps.push(set({ tunnel }));
    if (link.macAddress !== wish.macAddress) steps.push(set({ macAddress: wish.macAddress }));
    if (link.mtu !== mtu) steps.push(set({ mtu }));
    steps.push(...planAddress(index, wish.address, seen.addresses));
    if (!link.up) steps.push(set({ up: true }));
    steps.push(...(peers()?.plan(index, wish.address.family, seen) ?? []));
    if (seen.checksumOffload === true && checksumControl !== undefined)
      steps.push({ what: "checksum offload", run: () => checksumControl.setChecksumOffload(name, false) });
    return steps;
  }

  planRemoval(_last: VxlanDemand | undefined, { link }: SeenVxlan): readonly DeviceStep[] {
    const { vni, port } = this.#options;
    if (link?.kind !== "vxlan" || link.vxlan?.vni !== vni || link.vxlan.port !== port) return [];
    return [{ request: { op: "link-delete", link: link.index } }];
  }

  usableMtu(wish: VxlanDemand, { link, addresses }: SeenVxlan): number | undefined {
    if (link?.name !== this.#options.name || !link.up || !this.#canBecome(wish, link)) return undefined;
    if (link.vxlan?.local?.equals(wish.localAddress) !== true || link.macAddress !== wish.macAddress) return undefined;
    return addresses.some(({ address }) => address.equals(wish.address)) ? link.mtu : undefined;
  }

  concerns(event: NetlinkEvent): boolean {
    switch (event.type) {
      case "link":
        return [this.#index, this.#parentIndex].includes(event.link.index) || event.link.name === this.#options.name;
      case "address":
        return event.address.interfaceIndex === this.#index;
      case "neighbour":
        return event.neighbour.interfaceIndex === this.#index;
      case "forwarding":
        return event.entry.interfaceIndex === this.#index;
      default:
        return false;
    }
  }

  explain(request: NetlinkRequest, errnoName: string): TunnelError | undefined {
    if (request.op !== "link-add" || errnoName !== "EOPNOTSUPP") return undefined;
    const { name } = this.#options;
    return new TunnelError(
      "KERNEL_LACKS_VXLAN",
      `this kernel has no VXLAN, so there is no ${name}: load its module (modprobe vxlan) on the host, ` +
        "or have the pools use ipipMode, or vxlanMode Never",
      { device: name },
    );
  }

  /** Everything that differs can be changed in the device that is there. */
  #canBecome(wish: VxlanDemand, { vxlan }: Link): boolean {
    const { vni, port } = this.#options;
    if (vxlan === undefined || vxlan.vni !== vni || vxlan.port !== port || vxlan.extras !== undefined) return false;
    return vxlan.local === undefined || vxlan.local.family === wish.localAddress.family;
  }

  #refuseOthers(wish: VxlanDemand, { links, link }: SeenVxlan): void {
    const { name, vni, port } = this.#options;
    if (link !== undefined && link.kind !== "vxlan")
      throw new TunnelError(
        "DEVICE_CONFLICT",
        `device ${name} is of kind ${link.kind ?? "physical"}, not a VXLAN device: rename or delete it`,
        { device: name, kind: link.kind },
      );
    const rival = links.find(
      ({ index, vxlan }) =>
        index !== link?.index &&
        vxlan?.vni === vni &&
        vxlan.port === port &&
        (vxlan.local?.family ?? 4) === wish.localAddress.family,
    );
    if (rival === undefined || (link !== undefined && this.#canBecome(wish, link))) return;
    throw new TunnelError(
      "DEVICE_CONFLICT",
      `device ${rival.name} has VNI ${vni} and port ${port} already, which ${name} needs: delete it, or give one another VNI`,
      { device: rival.name, vni, port },
    );
  }
}

function findParent(
  wish: VxlanDemand,
  links: readonly Link[],
  addresses: readonly InterfaceAddress[],
): Link | undefined {
  if (wish.parentIndex !== undefined) return links.find(({ index }) => index === wish.parentIndex);
  const holder = addresses.find(({ address }) => address.equals(wish.localAddress));
  // An address of lo or a dummy is reached by every interface, and packets to other nodes leave by none of these two.
  return links.find(({ index, loopback, kind }) => index === holder?.interfaceIndex && !loopback && kind !== "dummy");
}

/** The kernel refuses a larger MTU than the parent has room for. */
function allowedMtu({ mtu, localAddress }: VxlanDemand, parent: Link | undefined): number {
  const overhead = tunnelOverhead[localAddress.family === 4 ? "vxlan" : "vxlan-v6"];
  return parent === undefined ? mtu : Math.min(mtu, parent.mtu - overhead);
}

function tunnelChange(
  wish: VxlanDemand,
  { vxlan }: Link,
  parent: Link | undefined,
): Extract<NetlinkRequest, { op: "link-set" }>["change"]["tunnel"] {
  const isLocal = vxlan?.local?.equals(wish.localAddress) === true;
  const hasParent = parent === undefined || vxlan?.parentIndex === parent.index;
  if (isLocal && hasParent && vxlan?.learning === false) return undefined;
  return {
    kind: "vxlan",
    ...(!isLocal && { local: wish.localAddress }),
    ...(!hasParent && parent && { parentIndex: parent.index }),
    learning: false,
  };
}
