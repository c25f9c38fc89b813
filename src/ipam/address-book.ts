import type { Clock } from "../core/clock.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import {
  type AddressOwner,
  allocate,
  allocateAddress,
  type Block,
  collect,
  handleOf,
  isEmpty,
  isOwnedBy,
  ordinalOf,
  ordinalsOfHandle,
  release,
  touched,
  warmed,
} from "./block.ts";
import { encodeBlock, encodeHandle, type Handle } from "./codec.ts";
import { IpamError } from "./errors.ts";
import { isHandleId } from "./keys.ts";
import type { Reservations } from "./reservations.ts";
import { Retry } from "./retry.ts";
import type { Change, IpamStore, Slot } from "./store.ts";

/** An address and the block that it is from. */
export interface AssignedAddress {
  readonly address: IpAddress;
  readonly block: Prefix;
}

/** Addresses freed by one transaction. Each may have a handle of its own, and etcd takes 128 operations. */
const MAX_FREED = 100;

/**
 * Takes and frees addresses of existing blocks. The block and the handles change in one transaction that compares both,
 * so that there is never an address without a handle, nor a handle that counts too many.
 */
export class AddressBook {
  readonly #store: IpamStore;
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(store: IpamStore, clock: Clock, random: () => number) {
    this.#store = store;
    this.#clock = clock;
    this.#random = random;
  }

  /** Takes up to `count` addresses of a block while `usable` holds for it; fewer or none if it has no more. */
  async take(
    cidr: Prefix,
    count: number,
    owner: AddressOwner,
    conditions: { readonly usable: (block: Block) => boolean; readonly reserved: Reservations },
  ): Promise<readonly AssignedAddress[]> {
    const { usable, reserved } = conditions;
    const addresses = await this.#change(cidr, owner, (block) =>
      usable(block) ? allocate(block, count, owner, reserved) : { block, addresses: [] },
    );
    return addresses.map((address) => ({ address, block: cidr }));
  }

  /**
   * Takes one address of a block. An address that already is this handle's is given again. Throws `ADDRESS_IN_USE`, and
   * what `check` throws. False if the block is gone.
   */
  async takeAddress(
    cidr: Prefix,
    address: IpAddress,
    owner: AddressOwner,
    conditions: { readonly check: (block: Block) => void; readonly evenCooling: boolean },
  ): Promise<boolean> {
    const taken = await this.#change(cidr, owner, (block) => {
      const ordinal = ordinalOf(block, address);
      if (handleOf(block, ordinal) === owner.handleId) return { block, addresses: [address] };
      conditions.check(block);
      const next = allocateAddress(conditions.evenCooling ? warmed(block, address) : block, address, owner);
      if (next !== undefined) return { block: next, addresses: [address] };
      const handleId = handleOf(block, ordinal);
      const by = handleId === undefined ? "nobody known, or is cooling down" : `handle ${handleId}`;
      throw new IpamError("ADDRESS_IN_USE", `${address} is in use by ${by}; release it first or ask for another one`, {
        address: address.toString(),
        ...(handleId !== undefined && { handleId }),
      });
    });
    return taken.length > 0;
  }

  /** Frees what `pick` chooses of a block's ordinals, and returns what is free for it. `pick` may throw to refuse. */
  async free(cidr: Prefix, pick: (block: Block) => readonly number[]): Promise<readonly AssignedAddress[]> {
    const retry = this.#retry(`release addresses of block ${cidr}`);
    const freed = new Set<number>();
    const { cooldownSec } = await this.#store.config();
    for (;;) {
      const slot = await this.#store.block(cidr);
      if (slot.value === undefined) break;
      const ordinals = [...new Set(pick(slot.value))].slice(0, MAX_FREED);
      if (ordinals.length === 0) break;
      const counts = countHandles(slot.value, ordinals);
      const next = release(slot.value, ordinals, this.#clock.wallMs(), cooldownSec);
      const changes: Change[] = [blockChange(slot, next)];
      for (const [handleId, handle] of await this.#store.handles([...counts.keys()].filter(isHandleId)))
        if (handle.value !== undefined) changes.push(addToHandle(handle, cidr, -(counts.get(handleId) ?? 0)));
      const outcome = await this.#store.commit(...changes);
      if (outcome !== "conflict") for (const ordinal of ordinals) freed.add(ordinal);
      if (outcome !== "done") await retry.pause();
    }
    return [...freed].sort((a, b) => a - b).map((ordinal) => ({ address: cidr.address.plus(ordinal), block: cidr }));
  }

  /**
   * Makes a handle count as many addresses of a block as it has there; true if it counted wrong. The block is rewritten as
   * well: a writer who has counted an address in the handle and is about to take it in the block must see that it lost.
   */
  async recount(handleId: string, cidr: Prefix): Promise<boolean> {
    const retry = this.#retry(`correct what handle ${handleId} says of block ${cidr}`);
    for (let tries = 0; ; tries++) {
      const { block, handle } = await this.#store.blockAndHandle(cidr, handleId);
      const counted = handle.value?.counts.get(cidr.toString()) ?? 0;
      const held = block.value === undefined ? 0 : ordinalsOfHandle(block.value, handleId).length;
      if (counted === held) return tries > 0;
      const rewrite = block.value === undefined ? [] : [{ slot: block, text: encodeBlock(touched(block.value)) }];
      if ((await this.#store.commit(addToHandle(handle, cidr, held - counted), ...rewrite)) === "done") return true;
      await retry.pause();
    }
  }

  async #change(
    cidr: Prefix,
    owner: AddressOwner,
    decide: (block: Block) => { readonly block: Block; readonly addresses: readonly IpAddress[] },
  ): Promise<readonly IpAddress[]> {
    const retry = this.#retry(`assign an address of block ${cidr}`);
    const { cooldownSec } = await this.#store.config();
    // A write without an answer may still arrive after the next look, so none of them is forgotten.
    const uncertain: Attempt[] = [];
    for (;;) {
      const { block, handle } = await this.#store.blockAndHandle(cidr, owner.handleId);
      const stored = block.value;
      if (stored === undefined) return [];
      const arrived = uncertain.find((attempt) => wasTaken(stored, owner, attempt));
      if (arrived !== undefined) return arrived.addresses;
      const current = collect(stored, this.#clock.wallMs(), cooldownSec);
      const { block: next, addresses } = decide(current);
      if (addresses.length === 0 || next === current) return addresses;
      const outcome = await this.#store.commit(blockChange(block, next), addToHandle(handle, cidr, addresses.length));
      if (outcome === "done") return addresses;
      if (outcome === "unknown") uncertain.push({ addresses, sequence: current.sequenceNumber });
      await retry.pause();
    }
  }

  #retry(what: string): Retry {
    return new Retry(this.#clock, this.#random, what);
  }
}

/** A write whose answer was lost. */
interface Attempt {
  readonly addresses: readonly IpAddress[];
  /** The block's sequence number before it. */
  readonly sequence: bigint;
}

/** True if the write whose answer was lost did happen: these addresses are the owner's, taken at that very sequence. */
function wasTaken(block: Block, owner: AddressOwner, attempt: Attempt): boolean {
  return attempt.addresses.every((address) => {
    const ordinal = ordinalOf(block, address);
    return isOwnedBy(block, ordinal, owner) && block.allocationSequence.get(ordinal) === attempt.sequence;
  });
}

/** A block without an owner and without addresses is of no use to anybody. */
function blockChange(slot: Slot<Block>, next: Block): Change {
  return isEmpty(next) && next.affinity === null ? { slot } : { slot, text: encodeBlock(next) };
}

function addToHandle(slot: Slot<Handle>, cidr: Prefix, difference: number): Change {
  const counts = new Map(slot.value?.counts);
  const count = (counts.get(cidr.toString()) ?? 0) + difference;
  if (count > 0) counts.set(cidr.toString(), count);
  else counts.delete(cidr.toString());
  if (counts.size === 0) return { slot };
  return { slot, text: encodeHandle({ counts, unknownFields: slot.value?.unknownFields ?? {} }) };
}

function countHandles(block: Block, ordinals: readonly number[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const ordinal of ordinals) {
    const handle = handleOf(block, ordinal);
    if (handle !== undefined) counts.set(handle, (counts.get(handle) ?? 0) + 1);
  }
  return counts;
}
