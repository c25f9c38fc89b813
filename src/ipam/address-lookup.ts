import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { type Allocation, allocationsOf } from "./allocations.ts";
import type { IpamPool } from "./pool-selection.ts";
import type { IpamStore } from "./store.ts";

/** Finds what is stored of an address. */
export class AddressLookup {
  readonly #store: IpamStore;
  /** All pools, disabled ones too. */
  readonly #pools: () => readonly IpamPool[];

  constructor(store: IpamStore, pools: () => readonly IpamPool[]) {
    this.#store = store;
    this.#pools = pools;
  }

  /** The block that holds an address: the one its pool suggests, or whichever there is. */
  async blockOf(address: IpAddress): Promise<Prefix | undefined> {
    const pool = this.#pools().find((each) => each.cidr.containsAddress(address));
    const likely = pool === undefined ? undefined : Prefix.of(address, pool.blockSize);
    if (likely !== undefined && (await this.#store.block(likely)).value !== undefined) return likely;
    const blocks = await this.#store.blocks(address.family);
    return blocks.find((slot) => slot.value?.cidr.containsAddress(address))?.value?.cidr;
  }

  /** Who has an address; undefined if it is free. */
  async allocationOf(address: IpAddress): Promise<Allocation | undefined> {
    const cidr = await this.blockOf(address);
    const block = cidr && (await this.#store.block(cidr)).value;
    return block && allocationsOf(block).find((allocation) => allocation.address.equals(address));
  }
}
