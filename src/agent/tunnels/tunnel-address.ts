import type { Ipam } from "../../ipam/ipam.ts";
import { type TunnelKind, tunnelOwner } from "../../ipam/owners.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";

/** The part of IPAM that a tunnel address needs. */
export type TunnelIpam = Pick<Ipam, "autoAssign" | "addressesByHandle" | "releaseAddresses" | "releaseByHandle">;

/** The address of one tunnel device of this node, kept in IPAM under Calico's handle for it. */
export class TunnelAddress {
  readonly #ipam: TunnelIpam;
  readonly #kind: TunnelKind;
  readonly #node: string;

  constructor(options: { ipam: TunnelIpam; kind: TunnelKind; node: string }) {
    this.#ipam = options.ipam;
    this.#kind = options.kind;
    this.#node = options.node;
  }

  /**
   * The address that this node holds in one of the pools, taking one if there is none. Addresses that it holds elsewhere, as
   * after a change of the pools, are released. Throws IpamError if the pools have none left.
   */
  async ensure(pools: readonly Prefix[]): Promise<IpAddress> {
    const owner = tunnelOwner(this.#kind, this.#node);
    const held = (await this.#ipam.addressesByHandle(owner.handleId)).map(({ address }) => address);
    const keep = held.find((address) => pools.some((pool) => pool.containsAddress(address)));
    const others = held.filter((address) => address !== keep);
    if (others.length > 0)
      await this.#ipam.releaseAddresses(others.map((address) => ({ address, handleId: owner.handleId })));
    if (keep !== undefined) return keep;
    const isIpv6 = this.#kind === "vxlan-v6";
    const assigned = await this.#ipam.autoAssign({
      ...owner,
      count4: isIpv6 ? 0 : 1,
      count6: isIpv6 ? 1 : 0,
      intendedUse: "Tunnel",
      requestedPools: pools,
    });
    const [first] = isIpv6 ? assigned.ipv6 : assigned.ipv4;
    if (first === undefined) throw new TypeError("IPAM assigned no address and raised no error");
    return first.address;
  }

  /** Gives the address back; nothing happens if there is none. */
  async release(): Promise<void> {
    await this.#ipam.releaseByHandle(tunnelOwner(this.#kind, this.#node).handleId);
  }
}
