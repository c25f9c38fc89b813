import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Datastore } from "../datastore/datastore.ts";
import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import type { PoolUse } from "../resources/ip-pool.ts";
import { AddressBook, type AssignedAddress } from "./address-book.ts";
import {
  type AddressOwner,
  type Block,
  isTaken,
  ordinalOf,
  ordinalsOfHandle,
  ownerOfNode,
  type PodAddress,
  podAddressesOf,
} from "./block.ts";
import { BlockClaims } from "./claims.ts";
import { IpamError } from "./errors.ts";
import { FamilyAssignment } from "./family-assignment.ts";
import { type IpamPool, type Labels, selectPools } from "./pool-selection.ts";
import { IpamStore } from "./store.ts";

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
}

export interface AssignRequest extends AddressOwner {
  /** How many IPv4 and IPv6 addresses. */
  readonly count4: number;
  readonly count6: number;
  readonly intendedUse: PoolUse;
  readonly requestedPools?: readonly Prefix[];
  readonly namespaceLabels?: Labels;
}

export interface Assignment {
  readonly ipv4: readonly AssignedAddress[];
  readonly ipv6: readonly AssignedAddress[];
}

/** An address to release, and, if they are given, the handle and the sequence number that it must have. */
export interface ReleaseRequest {
  readonly address: IpAddress;
  readonly handleId?: string;
  readonly sequenceNumber?: bigint;
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
  /** Assignments of one node compete for the same block; one after the other they don't get in each other's way. */
  #queue: Promise<unknown> = Promise.resolve();

  constructor(options: IpamOptions) {
    const { datastore, nodeName, clock, random } = options;
    this.#options = options;
    this.#store = new IpamStore(datastore);
    this.#claims = new BlockClaims(this.#store, nodeName, clock, random);
    this.#book = new AddressBook(this.#store, clock, random);
  }

  /**
   * Takes addresses: all that are asked for, or none and an error (`NO_POOL`, `POOL_NOT_ENABLED`, `POOL_EXHAUSTED`,
   * `BLOCK_LIMIT`, `INVALID_HANDLE`). Two calls with one handle take addresses twice: ask `addressesByHandle` first.
   */
  async autoAssign(request: AssignRequest): Promise<Assignment> {
    return this.#inTurn(async () => {
      const ipv4 = await this.#assignFamily(4, request.count4, request);
      try {
        return { ipv4, ipv6: await this.#assignFamily(6, request.count6, request) };
      } catch (error) {
        await this.#release(ipv4, request.handleId);
        throw error;
      }
    });
  }

  /**
   * Takes one given address, which must lie in an enabled pool (`ADDRESS_NOT_IN_POOL`) and be free (`ADDRESS_IN_USE`) or
   * already this handle's. Another node's block is borrowed from unless affinity is strict (`STRICT_AFFINITY`).
   */
  async assignAddress(request: AddressOwner & { readonly address: IpAddress }): Promise<AssignedAddress> {
    return this.#inTurn(async () => {
      const { address } = request;
      const { strictAffinity } = await this.#store.config();
      const pool = this.#poolOf(
        address,
        this.#options.pools().filter((each) => !each.disabled),
      );
      if (pool === undefined)
        throw new IpamError(
          "ADDRESS_NOT_IN_POOL",
          `${address} is in no enabled IP pool; create one or change the address`,
          {
            address: address.toString(),
          },
        );
      const block = Prefix.of(address, pool.blockSize);
      const check = ({ affinity }: Block) => {
        if (!strictAffinity || affinity === ownerOfNode(this.#options.nodeName)) return;
        const owner = affinity ?? "nobody";
        const message = `${address} is in block ${block} of ${owner}, and strict affinity is on; choose an own address`;
        throw new IpamError("STRICT_AFFINITY", message, { address: address.toString(), owner });
      };
      // A claim of another node's block does nothing; one of ours that was cut short is completed.
      do await this.#claims.claim(block);
      while (!(await this.#book.takeAddress(block, address, request, check)));
      return { address, block };
    });
  }

  /** Frees all addresses of a handle and returns them; an unknown handle has none. */
  async releaseByHandle(handleId: string): Promise<readonly AssignedAddress[]> {
    return this.#inTurn(async () => {
      const { value: handle } = await this.#store.handle(handleId);
      const freed: AssignedAddress[] = [];
      for (const cidr of handle?.counts.keys() ?? []) {
        const block = Prefix.parse(cidr);
        freed.push(...(await this.#book.free(block, (stored) => ordinalsOfHandle(stored, handleId))));
        await this.#book.forget(handleId, block);
      }
      return freed;
    });
  }

  /**
   * Frees addresses and returns those that were taken. Throws `ADDRESS_IN_USE` for one that has another handle or sequence
   * number than the request says; the others of its block are not freed then either.
   */
  async releaseAddresses(requests: readonly ReleaseRequest[]): Promise<readonly AssignedAddress[]> {
    return this.#inTurn(async () => {
      const freed: AssignedAddress[] = [];
      const byBlock = new Map<string, { block: Prefix; requests: ReleaseRequest[] }>();
      for (const request of requests) {
        const block = await this.#blockOf(request.address);
        if (block === undefined) continue;
        const group = byBlock.get(block.toString()) ?? { block, requests: [] };
        byBlock.set(block.toString(), group);
        group.requests.push(request);
      }
      for (const group of byBlock.values())
        freed.push(...(await this.#book.free(group.block, pickRequested(group.requests))));
      return freed;
    });
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

  /**
   * The addresses that are marked as those of pods of this node, also in blocks that it does not own. Reads all blocks: for
   * a look at the start, not for every request.
   */
  async podAddresses(): Promise<readonly PodAddress[]> {
    const found: PodAddress[] = [];
    for (const family of [4, 6] as const)
      for (const { value: block } of await this.#store.blocks(family))
        if (block !== undefined) found.push(...podAddressesOf(block, this.#options.nodeName));
    return found;
  }

  /** Makes sure that this node owns a block for workloads, and returns it. Throws like `autoAssign`. */
  async ensureBlock(family: 4 | 6): Promise<Prefix> {
    return this.#inTurn(() => this.#assignment(family, { intendedUse: "Workload" }).ensureBlock());
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

  async #assignFamily(family: 4 | 6, count: number, request: AssignRequest): Promise<readonly AssignedAddress[]> {
    if (count === 0) return [];
    const taken: AssignedAddress[] = [];
    try {
      await this.#assignment(family, request).assign(count, request, taken);
      return taken;
    } catch (error) {
      await this.#release(taken, request.handleId);
      throw error;
    }
  }

  #assignment(
    family: 4 | 6,
    request: Pick<AssignRequest, "intendedUse" | "requestedPools" | "namespaceLabels">,
  ): FamilyAssignment {
    const { nodeName, clock, random, logger } = this.#options;
    const all = this.#options.pools();
    const nodeLabels = this.#options.nodeLabels();
    const { intendedUse, requestedPools, namespaceLabels = {} } = request;
    const selection = { family, node: nodeName, nodeLabels, namespaceLabels, intendedUse };
    const pools = selectPools(all, requestedPools === undefined ? selection : { ...selection, requestedPools });
    const left = all.filter((pool) => !pool.disabled && !pool.selectsNode(nodeLabels));
    const parts = { store: this.#store, claims: this.#claims, book: this.#book, clock, random, logger };
    return new FamilyAssignment({ ...parts, node: nodeName, family, pools, poolsThatLeft: left });
  }

  /** Undoes what a failed request has taken. What can't be undone is reported and found by its handle later. */
  async #release(taken: readonly AssignedAddress[], handleId: string): Promise<void> {
    for (const { address, block } of taken)
      try {
        await this.#book.free(block, pickRequested([{ address, handleId }]));
      } catch (error) {
        this.#options.logger.warn(
          { address: address.toString(), handleId, error },
          "an unused address was not released",
        );
      }
  }

  #poolOf(address: IpAddress, pools: readonly IpamPool[]): IpamPool | undefined {
    return pools.find((pool) => pool.cidr.containsAddress(address));
  }

  /** The block that holds an address: the one its pool suggests, or whichever there is. */
  async #blockOf(address: IpAddress): Promise<Prefix | undefined> {
    const pool = this.#poolOf(address, this.#options.pools());
    const likely = pool === undefined ? undefined : Prefix.of(address, pool.blockSize);
    if (likely !== undefined && (await this.#store.block(likely)).value !== undefined) return likely;
    const blocks = await this.#store.blocks(address.family);
    return blocks.find((slot) => slot.value?.cidr.containsAddress(address))?.value?.cidr;
  }

  #inTurn<T>(operation: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(operation);
    this.#queue = result.catch(() => undefined);
    return result;
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
