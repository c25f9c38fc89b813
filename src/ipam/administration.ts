import type { Clock } from "../core/clock.ts";
import type { Datastore } from "../datastore/datastore.ts";
import type { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { AddressBook, type AssignedAddress } from "./address-book.ts";
import { AddressLookup } from "./address-lookup.ts";
import type { Allocation } from "./allocations.ts";
import { collect, isEmpty, ownerOfNode, reassigned } from "./block.ts";
import { nodeOf } from "./block-choice.ts";
import { BlockClaims } from "./claims.ts";
import { encodeAffinity, encodeBlock } from "./codec.ts";
import { IpamError } from "./errors.ts";
import { nodeMarkerKey } from "./keys.ts";
import type { IpamPool } from "./pool-selection.ts";
import { AddressRelease, type ReleaseRequest } from "./release.ts";
import { Retry } from "./retry.ts";
import { type Change, IpamStore } from "./store.ts";
import { surveyIpam } from "./survey.ts";

/** Blocks that one range may be claimed as; each is a handful of writes. */
const MAX_CLAIMED = 4_096;

export interface IpamAdministrationOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  /** Numbers in [0, 1). */
  readonly random: () => number;
  /** All pools there are now, disabled ones too. */
  readonly pools: () => readonly IpamPool[];
}

/** Blocks that were, and that were not, given up or claimed. */
export interface BlocksOutcome {
  readonly done: readonly Prefix[];
  readonly left: readonly Prefix[];
}

/** What is done to the cluster's addresses from outside of the nodes that use them. Throws as `Ipam` does. */
export class IpamAdministration {
  readonly #options: IpamAdministrationOptions;
  readonly #store: IpamStore;
  readonly #book: AddressBook;
  readonly #lookup: AddressLookup;
  readonly #release: AddressRelease;

  constructor(options: IpamAdministrationOptions) {
    const { datastore, clock, random, pools } = options;
    this.#options = options;
    this.#store = new IpamStore(datastore);
    this.#book = new AddressBook(this.#store, clock, random);
    this.#lookup = new AddressLookup(this.#store, pools);
    this.#release = new AddressRelease(this.#store, this.#book, this.#lookup);
  }

  /** Who has an address; undefined if it is free. */
  describeAddress(address: IpAddress): Promise<Allocation | undefined> {
    return this.#lookup.allocationOf(address);
  }

  /** As `Ipam.releaseAddresses`. */
  release(requests: readonly ReleaseRequest[]): Promise<readonly AssignedAddress[]> {
    return this.#release.addresses(requests);
  }

  /** As `Ipam.releaseByHandle`. */
  releaseHandle(handleId: string): Promise<readonly AssignedAddress[]> {
    return this.#release.byHandle(handleId);
  }

  /** Corrects what a handle says of its addresses; true if it said something wrong. */
  async correctHandle(handleId: string): Promise<boolean> {
    const { value: handle } = await this.#store.handle(handleId);
    let corrected = false;
    for (const cidr of handle?.counts.keys() ?? [])
      if (await this.#book.recount(handleId, Prefix.parse(cidr))) corrected = true;
    const slot = await this.#store.handle(handleId);
    if (slot.value?.counts.size !== 0) return corrected;
    return (await this.#store.commit({ slot })) === "done" || corrected;
  }

  /** Makes a handle count what a block has of it, also if there is no such handle; true if something had to be changed. */
  recount(handleId: string, block: Prefix): Promise<boolean> {
    return this.#book.recount(handleId, block);
  }

  /**
   * Makes a node the owner of all blocks of a range, which must lie in a pool (`ADDRESS_NOT_IN_POOL`) and hold at least one
   * block (`INVALID_RANGE`). Those that others own are left.
   */
  async claimRange(range: Prefix, node: string): Promise<BlocksOutcome> {
    const pool = this.#options.pools().find(({ cidr }) => cidr.contains(range));
    if (pool === undefined)
      throw new IpamError("ADDRESS_NOT_IN_POOL", `${range} lies in no IP pool; create one first`, {
        range: range.toString(),
      });
    const count = 2 ** (pool.blockSize - range.length);
    if (count < 1 || count > MAX_CLAIMED)
      throw new IpamError(
        "INVALID_RANGE",
        `${range} must hold 1 to ${MAX_CLAIMED} blocks; those of pool ${pool.name} are /${pool.blockSize}`,
        { range: range.toString(), blockSize: pool.blockSize },
      );
    const claims = this.#claimsOf(node);
    const blocks = Array.from({ length: count }, (_, index) => range.subnet(pool.blockSize, index));
    return sortOut(blocks, (block) => claims.claim(block));
  }

  /** Ends a node's ownership of a block; false if it is not the node's, or if `onlyEmpty` and an address is taken. */
  releaseBlock(node: string, block: Prefix, options: { readonly onlyEmpty: boolean }): Promise<boolean> {
    return this.#claimsOf(node).giveUp(node, block, options);
  }

  /** Deletes a block that is nobody's and has no address in use; false if there is none. */
  async removeEmptyBlock(cidr: Prefix): Promise<boolean> {
    const slot = await this.#store.block(cidr);
    const { cooldownSec } = await this.#store.config();
    if (slot.value === undefined || slot.value.affinity !== null) return false;
    if (!isEmpty(collect(slot.value, this.#options.clock.wallMs(), cooldownSec))) return false;
    return (await this.#store.commit({ slot })) === "done";
  }

  /**
   * Ends a node's ownership of all its blocks. Those with addresses stay without an owner, unless `onlyEmpty` lets the node
   * keep them. If none is left the node's marker of old writers goes too.
   */
  async releaseNode(node: string, options: { readonly onlyEmpty: boolean }): Promise<BlocksOutcome> {
    const { blocks, affinities } = await surveyIpam(this.#options.datastore);
    const own = new Map(affinities.filter((each) => each.node === node).map(({ block }) => [block.toString(), block]));
    for (const { cidr, affinity } of blocks) if (affinity === ownerOfNode(node)) own.set(cidr.toString(), cidr);
    const outcome = await sortOut([...own.values()], (block) => this.releaseBlock(node, block, options));
    if (outcome.left.length === 0) await this.#removeMarker(node);
    return outcome;
  }

  /** As `releaseNode`, for all nodes' blocks in a range. */
  async releaseRange(range: Prefix, options: { readonly onlyEmpty: boolean }): Promise<BlocksOutcome> {
    const { blocks, affinities } = await surveyIpam(this.#options.datastore);
    const owners = new Map<string, { node: string; block: Prefix }>();
    for (const { node, block } of affinities) owners.set(`${node} ${block}`, { node, block });
    for (const block of blocks) {
      const node = nodeOf(block);
      if (node !== undefined) owners.set(`${node} ${block.cidr}`, { node, block: block.cidr });
    }
    const done: Prefix[] = [];
    const left: Prefix[] = [];
    for (const { node, block } of owners.values())
      if (range.contains(block)) ((await this.releaseBlock(node, block, options)) ? done : left).push(block);
    return { done, left };
  }

  /**
   * Makes another node the owner of a block and all its addresses' home, in one transaction: for a node that has got a new
   * name. Throws `BLOCK_NOT_FOUND` if there is no such block, or if it belongs to no node.
   */
  async reassignBlock(cidr: Prefix, toNode: string): Promise<{ readonly from: string }> {
    const { clock, random } = this.#options;
    const retry = new Retry(clock, random, `give block ${cidr} to node ${toNode}`);
    for (;;) {
      const found = (await this.#store.block(cidr)).value;
      const from = found && nodeOf(found);
      if (from === undefined)
        throw new IpamError("BLOCK_NOT_FOUND", `there is no block ${cidr} that belongs to a node`, {
          block: cidr.toString(),
        });
      if (from === toNode) return { from };
      const { affinities, block } = await this.#store.claims([from, toNode], cidr);
      const [old, next] = affinities;
      if (block.value?.affinity === ownerOfNode(from)) {
        const changes: Change[] = [
          { slot: block, text: encodeBlock(reassigned(block.value, toNode, clock.wallMs())) },
          { slot: next, text: encodeAffinity("confirmed") },
          ...(old.revision === 0n ? [] : [{ slot: old }]),
        ];
        if ((await this.#store.commit(...changes)) === "done") return { from };
      }
      await retry.pause();
    }
  }

  async #removeMarker(node: string): Promise<void> {
    const slot = await this.#store.raw(nodeMarkerKey(node));
    if (slot.revision !== 0n) await this.#store.commit({ slot });
  }

  #claimsOf(node: string): BlockClaims {
    const { clock, random } = this.#options;
    return new BlockClaims(this.#store, node, clock, random);
  }
}

async function sortOut(blocks: readonly Prefix[], act: (block: Prefix) => Promise<boolean>): Promise<BlocksOutcome> {
  const done: Prefix[] = [];
  const left: Prefix[] = [];
  for (const block of blocks) ((await act(block)) ? done : left).push(block);
  return { done, left };
}
