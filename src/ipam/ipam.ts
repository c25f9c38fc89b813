import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Datastore } from "../datastore/datastore.ts";
import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import type { PoolUse } from "../resources/ip-pool.ts";
import { AddressBook, type AssignedAddress } from "./address-book.ts";
import { AddressLookup } from "./address-lookup.ts";
import type { Allocation } from "./allocations.ts";
import { type AddressOwner, type Block, ordinalsOfHandle, ownerOfNode } from "./block.ts";
import { BlockClaims } from "./claims.ts";
import { IpamError } from "./errors.ts";
import { FamilyAssignment } from "./family-assignment.ts";
import { type AddressRequest, GivenAddress } from "./given-address.ts";
import { type IpamPool, type Labels, selectPools } from "./pool-selection.ts";
import { AddressRelease, type ReleaseRequest } from "./release.ts";
import { Reservations } from "./reservations.ts";
import { IpamStore } from "./store.ts";
import { readBlocks } from "./survey.ts";

export interface IpamOptions {
  readonly datastore: Datastore;
  readonly nodeName: string;
  readonly clock: Clock;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  readonly logger: Logger;
  /** All pools there are now, disabled ones too. */
  readonly pools: () => readonly IpamPool[];
  /** The labels of this node now. */
  readonly nodeLabels: () => Labels;
  /** Ranges that are assigned from only when an address is asked for by itself; default none. */
  readonly reserved?: () => readonly Prefix[];
  /** True for a block that nobody owns by the datastore but that others use, as routes say; default false. */
  readonly isUsedElsewhere?: (block: Prefix) => boolean;
  /** Why no address may be given out now, if that is so. */
  readonly refusal?: () => string | undefined;
}

export interface AssignRequest extends AddressOwner {
  /** How many IPv4 and IPv6 addresses. */
  readonly count4: number;
  readonly count6: number;
  readonly intendedUse: PoolUse;
  readonly requestedPools?: readonly Prefix[];
  readonly namespaceLabels?: Labels;
  /** Blocks of a family that this node may own at most; the smaller one of this and the configured limit holds. */
  readonly maxBlocks?: number;
  /**
   * How many addresses of a family the handle may have. Those that it has already are given again and count, so that a
   * request can be repeated; asking for more throws `HANDLE_LIMIT`.
   */
  readonly maxPerHandle?: number;
}

export interface Assignment {
  readonly ipv4: readonly AssignedAddress[];
  readonly ipv6: readonly AssignedAddress[];
}

/**
 * One node's view of the cluster's addresses. Several instances, of this node and of others, and other implementations
 * may work on the same datastore at the same time. Throws IpamError, and DatastoreError if the datastore fails.
 */
export class Ipam {
  readonly #options: IpamOptions;
  readonly #store: IpamStore;
  readonly #claims: BlockClaims;
  readonly #book: AddressBook;
  readonly #lookup: AddressLookup;
  readonly #release: AddressRelease;
  readonly #given: GivenAddress;
  /** Assignments of one node compete for the same block; one after the other they don't get in each other's way. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: IpamOptions) {
    const { datastore, nodeName, clock, random } = options;
    this.#options = options;
    this.#store = new IpamStore(datastore);
    this.#claims = new BlockClaims(this.#store, nodeName, clock, random);
    this.#book = new AddressBook(this.#store, clock, random);
    this.#lookup = new AddressLookup(this.#store, options.pools);
    this.#release = new AddressRelease(this.#store, this.#book, this.#lookup);
    this.#given = new GivenAddress(this.#claims, this.#book, nodeName);
  }

  /**
   * Takes addresses: all that are asked for, or none and an error (`NO_POOL`, `POOL_NOT_ENABLED`, `POOL_EXHAUSTED`,
   * `BLOCK_LIMIT`, `HANDLE_LIMIT`, `INVALID_HANDLE`, `NOT_AUDITED`). Without `maxPerHandle` two calls with one handle take
   * addresses twice.
   */
  async autoAssign(request: AssignRequest): Promise<Assignment> {
    return this.#inTurn(async () => {
      this.#checkMayAssign();
      const held = await this.#held(request);
      const ipv4 = await this.#assignFamily(4, request.count4, request, held);
      try {
        return { ipv4, ipv6: await this.#assignFamily(6, request.count6, request, held) };
      } catch (error) {
        await this.#giveBack(
          ipv4.filter((each) => !held.includes(each)),
          request.handleId,
        );
        throw error;
      }
    });
  }

  /**
   * Takes one given address, which must lie in an enabled pool (`ADDRESS_NOT_IN_POOL`) and be free (`ADDRESS_IN_USE`) or
   * already this handle's. Another node's block is borrowed from unless affinity is strict (`STRICT_AFFINITY`). It may be
   * reserved.
   */
  async assignAddress(request: AddressRequest): Promise<AssignedAddress> {
    return this.#inTurn(async () => {
      this.#checkMayAssign();
      const enabled = this.#options.pools().filter((pool) => !pool.disabled);
      const { strictAffinity } = await this.#store.config();
      return this.#given.take(request, enabled, { strictAffinity, evenCooling: false });
    });
  }

  /**
   * Records an address that somebody uses already, as after a datastore was restored from an old backup: also from a
   * disabled pool, against strict affinity, while it cools down, and before the first audit. Throws `ADDRESS_NOT_IN_POOL` and `ADDRESS_IN_USE`.
   */
  async assertAddress(request: AddressOwner & { readonly address: IpAddress }): Promise<AssignedAddress> {
    return this.#inTurn(() =>
      this.#given.take(request, this.#options.pools(), { strictAffinity: false, evenCooling: true }),
    );
  }

  /** Frees all addresses of a handle and returns them; an unknown handle has none. */
  async releaseByHandle(handleId: string): Promise<readonly AssignedAddress[]> {
    return this.#inTurn(async () => this.#returnUnwanted(await this.#release.byHandle(handleId)));
  }

  /**
   * Frees addresses and returns those that were taken. Throws `ADDRESS_IN_USE` for one that has another handle or sequence
   * number than the request says; the others of its block are not freed then either.
   */
  async releaseAddresses(requests: readonly ReleaseRequest[]): Promise<readonly AssignedAddress[]> {
    return this.#inTurn(async () => this.#returnUnwanted(await this.#release.addresses(requests)));
  }

  /** The addresses that a handle has, in the order of their blocks' text. */
  async addressesByHandle(handleId: string): Promise<readonly AssignedAddress[]> {
    const { value: handle } = await this.#store.handle(handleId);
    const found: AssignedAddress[] = [];
    for (const cidr of handle?.counts.keys() ?? []) {
      const { value: block } = await this.#store.block(Prefix.parse(cidr));
      if (block === undefined) continue;
      for (const ordinal of ordinalsOfHandle(block, handleId))
        found.push({ address: block.cidr.address.plus(ordinal), block: block.cidr });
    }
    return found;
  }

  /** Who has an address; undefined if it is free. */
  describeAddress(address: IpAddress): Promise<Allocation | undefined> {
    return this.#lookup.allocationOf(address);
  }

  /** All blocks of the cluster that can be read; one that can't is logged. For a look now and then, not for every request. */
  async blocks(): Promise<readonly Block[]> {
    const { blocks, unreadable } = await readBlocks(this.#options.datastore);
    for (const error of unreadable) this.#options.logger.warn({ error }, "a block is left out");
    return blocks;
  }

  /** Makes sure that this node owns a block for workloads, and returns it. Throws like `autoAssign`. */
  async ensureBlock(family: 4 | 6): Promise<Prefix> {
    return this.#inTurn(() => {
      this.#checkMayAssign();
      return this.#assignment(family, { intendedUse: "Workload" }).ensureBlock();
    });
  }

  /** The blocks that this node owns, by affinity and block alike. */
  async ownBlocks(): Promise<readonly Prefix[]> {
    const own: Prefix[] = [];
    for (const family of [4, 6] as const)
      for (const { block, state } of await this.#store.affinities(this.#options.nodeName, family)) {
        const stored = await this.#store.block(block);
        if (state === "confirmed" && stored.value?.affinity === ownerOfNode(this.#options.nodeName)) own.push(block);
      }
    return own;
  }

  #checkMayAssign(): void {
    const reason = this.#options.refusal?.();
    if (reason === undefined) return;
    throw new IpamError("NOT_AUDITED", `no address is given out yet: ${reason}; try again in a moment`, {
      node: this.#options.nodeName,
    });
  }

  /** What a repeated request is given again. */
  async #held({ handleId, maxPerHandle }: AssignRequest): Promise<readonly AssignedAddress[]> {
    return maxPerHandle === undefined ? [] : this.addressesByHandle(handleId);
  }

  async #assignFamily(
    family: 4 | 6,
    count: number,
    request: AssignRequest,
    held: readonly AssignedAddress[],
  ): Promise<readonly AssignedAddress[]> {
    const { handleId, maxPerHandle = count } = request;
    if (count > maxPerHandle)
      throw new IpamError(
        "HANDLE_LIMIT",
        `handle ${handleId} may have ${maxPerHandle} IPv${family} addresses, but ${count} are asked for`,
        { handleId, limit: maxPerHandle },
      );
    const before = held.filter(({ address }) => address.family === family).slice(0, count);
    if (count === before.length) return before;
    const taken: AssignedAddress[] = [];
    try {
      await this.#assignment(family, request).assign(count - before.length, request, taken);
      return [...before, ...taken];
    } catch (error) {
      await this.#giveBack(taken, handleId);
      throw error;
    }
  }

  #assignment(
    family: 4 | 6,
    request: Pick<AssignRequest, "intendedUse" | "requestedPools" | "namespaceLabels" | "maxBlocks">,
  ): FamilyAssignment {
    const { nodeName, clock, random, logger, reserved, isUsedElsewhere = () => false } = this.#options;
    const all = this.#options.pools();
    const nodeLabels = this.#options.nodeLabels();
    const { intendedUse, requestedPools, namespaceLabels = {}, maxBlocks = 0 } = request;
    const selection = { family, node: nodeName, nodeLabels, namespaceLabels, intendedUse };
    return new FamilyAssignment({
      store: this.#store,
      claims: this.#claims,
      book: this.#book,
      clock,
      random,
      logger,
      node: nodeName,
      family,
      pools: selectPools(all, requestedPools === undefined ? selection : { ...selection, requestedPools }),
      isUnwanted: this.#unwantedBlocks(),
      reserved: reserved === undefined ? Reservations.none : new Reservations(reserved()),
      maxBlocks,
      isUsedElsewhere,
    });
  }

  /** True for blocks of pools that don't select this node (any more), or that are gone. */
  #unwantedBlocks(): (block: Prefix) => boolean {
    const nodeLabels = this.#options.nodeLabels();
    const pools = this.#options.pools();
    const wanted = pools.filter((pool) => pool.disabled || pool.selectsNode(nodeLabels));
    return (block) => !wanted.some(({ cidr }) => cidr.contains(block));
  }

  /** Gives empty blocks back that this node shall not have; the same addresses. */
  async #returnUnwanted(freed: readonly AssignedAddress[]): Promise<readonly AssignedAddress[]> {
    const isUnwanted = this.#unwantedBlocks();
    for (const block of freed.map((each) => each.block).filter(isUnwanted))
      await this.#claims.giveUp(this.#options.nodeName, block, { onlyEmpty: true });
    return freed;
  }

  /** Undoes what a failed request has taken. What can't be undone is reported and found by its handle later. */
  async #giveBack(taken: readonly AssignedAddress[], handleId: string): Promise<void> {
    for (const { address } of taken)
      try {
        await this.#release.addresses([{ address, handleId }]);
      } catch (error) {
        this.#options.logger.warn(
          { address: address.toString(), handleId, error },
          "an unused address was not released",
        );
      }
  }

  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => undefined);
    return result;
  }
}
