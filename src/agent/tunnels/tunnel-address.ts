import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { AddressOwner } from "../../ipam/block.ts";
import type { Ipam } from "../../ipam/ipam.ts";
import { type TunnelKind, tunnelOwner } from "../../ipam/owners.ts";
import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";

/** The part of IPAM that a tunnel address needs. */
export type TunnelIpam = Pick<Ipam, "autoAssign" | "addressesByHandle" | "releaseAddresses" | "releaseByHandle">;

interface TunnelAddressOptions {
  readonly ipam: TunnelIpam;
  readonly kind: TunnelKind;
  readonly node: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long the address stays ours when no pool wants it any more, in milliseconds: others may still send to it. */
  readonly graceMs: number;
}

/** The address of one tunnel device of this node, kept in IPAM under Calico's handle for it. */
export class TunnelAddress {
  readonly #options: TunnelAddressOptions;
  /** Unwanted since the last `ensure`; "done" once IPAM holds nothing of ours. */
  #release: Timer | "done" | undefined;
  /** Of the last time that the address was given back; never rejects. */
  #givingBack: Promise<void> = Promise.resolve();

  constructor(options: TunnelAddressOptions) {
    this.#options = options;
  }

  /**
   * The address that this node holds in one of the pools, taking one if there is none. Addresses that it holds elsewhere, as
   * after a change of the pools, are released. Throws IpamError if the pools have none left.
   */
  async ensure(pools: readonly Prefix[]): Promise<IpAddress> {
    this.stop();
    this.#release = undefined;
    // What is half given back would be gone right after it was found to be ours.
    await this.#givingBack;
    const { ipam, kind } = this.#options;
    const owner = this.#owner;
    const held = (await ipam.addressesByHandle(owner.handleId)).map(({ address }) => address);
    const keep = held.find((address) => pools.some((pool) => pool.containsAddress(address)));
    const others = held.filter((address) => address !== keep);
    if (others.length > 0)
      await ipam.releaseAddresses(others.map((address) => ({ address, handleId: owner.handleId })));
    if (keep !== undefined) return keep;
    const isIpv6 = kind === "vxlan-v6";
    const assigned = await ipam.autoAssign({
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

  /** Nobody wants it any more: gives it back when the grace time is over, unless it is wanted again before. */
  releaseLater(): void {
    this.#release ??= this.#options.clock.setTimer(this.#options.graceMs, () => {
      this.#givingBack = this.#giveBack();
    });
  }

  /** Ends the waiting; an address that has not been given back stays ours. */
  stop(): void {
    if (this.#release !== "done") this.#release?.cancel();
  }

  get #owner(): AddressOwner {
    return tunnelOwner(this.#options.kind, this.#options.node);
  }

  async #giveBack(): Promise<void> {
    const { ipam, kind, logger } = this.#options;
    const due = this.#release;
    try {
      await ipam.releaseByHandle(this.#owner.handleId);
      if (this.#release === due) this.#release = "done";
    } catch (error) {
      logger.warn({ kind, error: errorMessage(error) }, "a tunnel address could not be released; trying again");
      if (this.#release !== due) return;
      this.#release = undefined;
      this.releaseLater();
    }
  }
}
