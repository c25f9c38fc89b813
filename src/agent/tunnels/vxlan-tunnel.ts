import type { Clock } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { tunnelMtu } from "../../fib/device/mtu.ts";
import type { AddressFamily, IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { VxlanPeer } from "../../vxlan/peers.ts";
import type { VxlanDevice } from "../../vxlan/vxlan-device.ts";
import { LingeringPeers } from "./lingering-peers.ts";
import type { OwnVxlan } from "./node-tunnels.ts";
import { TunnelAddress, type TunnelIpam } from "./tunnel-address.ts";

export interface VxlanTunnelOptions {
  readonly nodeName: string;
  /** The node's own address, whose family is that of the tunnel. */
  readonly nodeAddress: IpAddress;
  readonly device: Pick<VxlanDevice, "set" | "setPeers" | "state" | "hasPeer" | "takeChangedPeers" | "macAddress">;
  readonly ipam: TunnelIpam;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long address and entries stay when nobody wants them any more, in milliseconds. */
  readonly graceMs: number;
}

/** This node's VXLAN of one address family: its address in IPAM, its device, and the ways to the other nodes. */
export class VxlanTunnel {
  readonly family: AddressFamily;
  readonly device: Pick<VxlanDevice, "state" | "hasPeer" | "takeChangedPeers">;
  readonly #options: VxlanTunnelOptions;
  readonly #address: TunnelAddress;
  readonly #peers: LingeringPeers;
  #held: IpAddress | undefined;
  #current: readonly VxlanPeer[] = [];

  constructor(options: VxlanTunnelOptions) {
    const { nodeName, nodeAddress, device, ipam, clock, logger, graceMs } = options;
    this.family = nodeAddress.family;
    this.device = device;
    this.#options = options;
    const kind = this.family === 4 ? "vxlan" : "vxlan-v6";
    this.#address = new TunnelAddress({ ipam, kind, node: nodeName, clock, logger, graceMs });
    this.#peers = new LingeringPeers({ clock, graceMs, onExpiry: () => this.setPeers(this.#current) });
  }

  /** Undefined while no pool wants the tunnel. */
  get address(): IpAddress | undefined {
    return this.#held;
  }

  /** What the other nodes may have to know. */
  get own(): OwnVxlan {
    const { device } = this.#options;
    return {
      family: this.family,
      address: this.#held,
      ready: device.state().ready,
      macAddress: device.macAddress,
    };
  }

  /**
   * Gives the node the tunnel if `pools` has any, with an address out of these, and takes it away else. `underlayMtu`: octets
   * of the largest packet to the other nodes. Throws IpamError if the pools have no address left.
   */
  async follow(pools: readonly Prefix[], underlayMtu: number): Promise<void> {
    const { device, nodeAddress } = this.#options;
    this.#held = pools.length === 0 ? undefined : await this.#address.ensure(pools);
    const mtu = tunnelMtu(this.family === 4 ? "vxlan" : "vxlan-v6", underlayMtu);
    device.set(this.#held && { address: this.#held, localAddress: nodeAddress, mtu });
  }

  /** The other nodes' ends of the tunnel, all of them. */
  setPeers(peers: readonly VxlanPeer[]): void {
    this.#current = peers;
    this.#options.device.setPeers(this.#peers.update(peers));
  }

  /** The other nodes have been told: an address that nobody wants can be given back. */
  told(): void {
    if (this.#held === undefined) this.#address.releaseLater();
  }

  stop(): void {
    this.#address.stop();
    this.#peers.stop();
  }
}
