import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import type { PoolUse } from "../resources/ip-pool.ts";
import type { AddressBook, AssignedAddress } from "./address-book.ts";
import { type AddressOwner, type Block, ownerOfNode } from "./block.ts";
import type { BlockClaims } from "./claims.ts";
import { IpamError } from "./errors.ts";
import type { IpamPool } from "./pool-selection.ts";

/** A request for one address. */
export interface AddressRequest extends AddressOwner {
  readonly address: IpAddress;
  /** If given, the address's pool must be for this (`NO_POOL`). */
  readonly intendedUse?: PoolUse;
}

/** Takes one address that the caller names. Its block is claimed if there is none, and borrowed from if it is another node's. */
export class GivenAddress {
  readonly #claims: BlockClaims;
  readonly #book: AddressBook;
  readonly #node: string;

  constructor(claims: BlockClaims, book: AddressBook, node: string) {
    this.#claims = claims;
    this.#book = book;
    this.#node = node;
  }

  /** Throws `ADDRESS_NOT_IN_POOL`, `NO_POOL`, `STRICT_AFFINITY`, `ADDRESS_IN_USE`. */
  async take(
    request: AddressRequest,
    pools: readonly IpamPool[],
    { strictAffinity, evenCooling }: { readonly strictAffinity: boolean; readonly evenCooling: boolean },
  ): Promise<AssignedAddress> {
    const { address, intendedUse } = request;
    const pool = poolOf(address, pools, intendedUse);
    const block = Prefix.of(address, pool.blockSize);
    const check = ({ affinity }: Block) => {
      if (!strictAffinity || affinity === ownerOfNode(this.#node)) return;
      const owner = affinity ?? "nobody";
      const message = `${address} is in block ${block} of ${owner}, and strict affinity is on; choose an own address`;
      throw new IpamError("STRICT_AFFINITY", message, { address: address.toString(), owner });
    };
    // A claim of another node's block does nothing; one of ours that was cut short is completed.
    do await this.#claims.claim(block);
    while (!(await this.#book.takeAddress(block, address, request, { check, evenCooling })));
    return { address, block };
  }
}

function poolOf(address: IpAddress, pools: readonly IpamPool[], intendedUse: PoolUse | undefined): IpamPool {
  const pool = pools.find((each) => each.cidr.containsAddress(address));
  const details = { address: address.toString() };
  if (pool === undefined)
    throw new IpamError(
      "ADDRESS_NOT_IN_POOL",
      `${address} is in no enabled IP pool; create one or change the address`,
      details,
    );
  if (intendedUse !== undefined && !pool.allowedUses.includes(intendedUse))
    throw new IpamError(
      "NO_POOL",
      `${address} is in pool ${pool.name}, which has no ${intendedUse} among its allowedUses; choose another address`,
      details,
    );
  return pool;
}
