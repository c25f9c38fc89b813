import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import type { AddressBook, AssignedAddress } from "./address-book.ts";
import type { AddressLookup } from "./address-lookup.ts";
import { type Block, isTaken, ordinalOf, ordinalsOfHandle } from "./block.ts";
import { IpamError } from "./errors.ts";
import type { IpamStore } from "./store.ts";

/** An address to release, and, if they are given, the handle and the sequence number that it must have. */
export interface ReleaseRequest {
  readonly address: IpAddress;
  readonly handleId?: string;
  readonly sequenceNumber?: bigint;
}

/** Frees addresses of any node. */
export class AddressRelease {
  readonly #store: IpamStore;
  readonly #book: AddressBook;
  readonly #lookup: AddressLookup;

  constructor(store: IpamStore, book: AddressBook, lookup: AddressLookup) {
    this.#store = store;
    this.#book = book;
    this.#lookup = lookup;
  }

  /** Frees all addresses of a handle and returns them; an unknown handle has none. */
  async byHandle(handleId: string): Promise<readonly AssignedAddress[]> {
    const { value: handle } = await this.#store.handle(handleId);
    const freed: AssignedAddress[] = [];
    for (const cidr of handle?.counts.keys() ?? []) {
      const block = Prefix.parse(cidr);
      freed.push(...(await this.#book.free(block, (stored) => ordinalsOfHandle(stored, handleId))));
      await this.#book.recount(handleId, block);
    }
    return freed;
  }

  /**
   * Frees addresses and returns those that were taken. Throws `ADDRESS_IN_USE` for one that has another handle or sequence
   * number than the request says; the others of its block are not freed then either.
   */
  async addresses(requests: readonly ReleaseRequest[]): Promise<readonly AssignedAddress[]> {
    const freed: AssignedAddress[] = [];
    const byBlock = new Map<string, { block: Prefix; requests: ReleaseRequest[] }>();
    for (const request of requests) {
      const block = await this.#lookup.blockOf(request.address);
      if (block === undefined) continue;
      const group = byBlock.get(block.toString()) ?? { block, requests: [] };
      byBlock.set(block.toString(), group);
      group.requests.push(request);
    }
    for (const group of byBlock.values())
      freed.push(...(await this.#book.free(group.block, pickRequested(group.requests))));
    return freed;
  }
}

/**
 * Picks what is requested of a block and is still the allocation that it was at the first look: an address that was freed
 * and taken again meanwhile is somebody else's.
 */
function pickRequested(requests: readonly ReleaseRequest[]): (block: Block) => number[] {
  const firstSeen = new Map<number, bigint>();
  return (block) =>
    requests.flatMap(({ address, handleId, sequenceNumber }) => {
      const ordinal = ordinalOf(block, address);
      if (!isTaken(block, ordinal)) return [];
      const sequence = block.allocationSequence.get(ordinal) ?? 0n;
      const known = firstSeen.get(ordinal);
      if (known !== undefined && known !== sequence) return [];
      firstSeen.set(ordinal, sequence);
      const isOther = handleId !== undefined && !ordinalsOfHandle(block, handleId).includes(ordinal);
      if (isOther || (sequenceNumber !== undefined && sequenceNumber !== sequence))
        throw new IpamError(
          "ADDRESS_IN_USE",
          `${address} is not released: it was assigned to somebody else meanwhile (handle or sequence number differ)`,
          { address: address.toString() },
        );
      return [ordinal];
    });
}
