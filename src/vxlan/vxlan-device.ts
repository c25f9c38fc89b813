import { isDeepStrictEqual } from "node:util";
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { DeviceKeeper } from "../fib/device/device-keeper.ts";
import { TunnelError } from "../fib/device/errors.ts";
import type { DeviceState } from "../fib/device/types.ts";
import { checkMtu } from "../fib/device/wish.ts";
import type { IpAddress } from "../net/address.ts";
import type { DeviceControl } from "../netlink/device-control.ts";
import type { ForwardingDatabase, Netlink } from "../netlink/types.ts";
import { vtepMacAddress } from "./mac-address.ts";
import { PeerTable, reachableAddresses, type VxlanPeer } from "./peers.ts";
import { type SeenVxlan, type VxlanDemand, VxlanKind, type VxlanWish } from "./vxlan-kind.ts";

interface VxlanDeviceOptions {
  readonly netlink: Netlink & ForwardingDatabase;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The MAC address follows from it. */
  readonly nodeName: string;
  /** Default: vxlan.calico, and vxlan-v6.calico for IPv6. */
  readonly name?: string;
  /** Of the tunnel's own addresses and of the nodes'. Default: 4. */
  readonly family?: 4 | 6;
  /** Default: 4096. */
  readonly vni?: number;
  /** UDP destination port. Default: 4789. */
  readonly port?: number;
  /**
   * Given, it is used to switch off checksum offload of the device: kernels up to 5.7 get the checksums of tunnelled
   * packets wrong if their source has been translated. Default: left as it is.
   */
  readonly checksumControl?: Pick<DeviceControl, "checksumOffload" | "setChecksumOffload">;
  /** How long the device stays when nobody wishes for it any more, in milliseconds. Default: a minute. */
  readonly graceMs?: number;
  /** 0 ≤ x < 1. */
  readonly random?: () => number;
  /** Called when `state`, or `hasPeer` for some address, gives another answer than before. */
  readonly onChange?: () => void;
}

/**
 * Keeps a node's VXLAN device and the entries that lead to the other nodes: for each a permanent neighbour (VTEP address to
 * MAC address, and in IPv6 one more for `vxlanGateway`) and a permanent forwarding entry (MAC address to node address). A device that is there already, from before
 * a restart or of a real Calico, is taken over and changed in place as far as the kernel can. Of its entries only permanent
 * ones are ours.
 *
 * The defaults are Calico's. To share a network with flannel's vxlan backend give `name: "flannel.1", vni: 1, port: 8472`,
 * and in the wish the `macAddress` that the device has or that the node's flannel annotations name.
 */
export class VxlanDevice {
  readonly #family: 4 | 6;
  readonly #nodeName: string;
  readonly #logger: Logger;
  readonly #keeper: DeviceKeeper<VxlanDemand, SeenVxlan>;
  /** As they were given last. */
  #given: readonly VxlanPeer[] | undefined;
  #peers: PeerTable | undefined;
  #reachable: ReadonlySet<string> = new Set();
  /** Of which `hasPeer` answers otherwise than when they were taken last. */
  #changed = new Set<string>();

  constructor(options: VxlanDeviceOptions) {
    const { netlink, clock, logger, nodeName, family = 4, vni = 4096, port = 4789, graceMs = 60_000 } = options;
    const name = options.name ?? (family === 4 ? "vxlan.calico" : "vxlan-v6.calico");
    this.#family = family;
    this.#nodeName = nodeName;
    this.#logger = logger.child({ part: "vxlan", device: name });
    const { checksumControl } = options;
    this.#keeper = new DeviceKeeper({
      netlink,
      clock,
      logger: this.#logger,
      name,
      kind: new VxlanKind({ netlink, checksumControl, name, vni, port, peers: () => this.#peers }),
      groups: ["link", "address", "neighbour", "forwarding"],
      graceMs,
      random: options.random ?? Math.random,
      onChange: options.onChange ?? (() => {}),
      observe: (seen) => this.#observe(seen),
    });
  }

  /** The MAC address that other nodes have to be told. */
  get macAddress(): string {
    return this.#keeper.wish?.macAddress ?? vtepMacAddress(this.#nodeName, this.#family);
  }

  /**
   * States what the device shall be; undefined: nobody needs it, and it is deleted after the grace time, since others may
   * still send through it. Throws TunnelError `INVALID_TUNNEL`.
   */
  set(wish: VxlanWish | undefined): void {
    if (wish === undefined) {
      this.#keeper.set(undefined);
      return;
    }
    for (const field of ["address", "localAddress"] as const) this.#checkFamily(field, wish[field]);
    checkMtu(wish.mtu, this.#family);
    const macAddress = (wish.macAddress ?? vtepMacAddress(this.#nodeName, this.#family)).toLowerCase();
    this.#checkMac("macAddress", macAddress);
    this.#keeper.set({ ...wish, macAddress });
  }

  /**
   * The other nodes, all of them. Until the first call the entries that the kernel has are left as they are. Peers of the
   * other address family are passed over. Throws TunnelError `INVALID_TUNNEL`.
   */
  setPeers(peers: readonly VxlanPeer[]): void {
    for (const { macAddress } of peers) this.#checkMac("macAddress of a peer", macAddress);
    const ours = peers.filter(({ vtep, address }) => vtep.family === this.#family && address.family === this.#family);
    if (isDeepStrictEqual(ours, this.#given)) return;
    this.#given = ours;
    this.#peers = new PeerTable(ours, this.#logger);
    this.#keeper.demandChanged();
  }

  state(): DeviceState {
    return this.#keeper.state();
  }

  /** Packets to this VTEP or gateway find their way: both its entries were in the kernel when last seen. */
  hasPeer(address: IpAddress): boolean {
    return this.#reachable.has(address.toString());
  }

  /** Addresses for which `hasPeer` may give another answer than before the last call of this, as text. */
  takeChangedPeers(): ReadonlySet<string> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  /** Ends the care; the device stays as it is. */
  stop(): void {
    this.#keeper.stop();
  }

  #observe({ neighbours, forwarding }: SeenVxlan): boolean {
    const before = this.#reachable;
    const now = reachableAddresses(neighbours, forwarding);
    this.#reachable = now;
    const changed = [...now].filter((address) => !before.has(address));
    changed.push(...[...before].filter((address) => !now.has(address)));
    for (const address of changed) this.#changed.add(address);
    return changed.length > 0;
  }

  #checkFamily(field: "address" | "localAddress", value: IpAddress): void {
    if (value.family === this.#family) return;
    throw new TunnelError("INVALID_TUNNEL", `${field}: ${value} is not an IPv${this.#family} address`, {
      field,
      value: value.toString(),
    });
  }

  #checkMac(field: string, value: string): void {
    if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) return;
    throw new TunnelError("INVALID_TUNNEL", `${field}: "${value}" is not a MAC address such as 66:48:f6:56:dc:f1`, {
      field,
      value,
    });
  }
}
