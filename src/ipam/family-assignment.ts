import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Prefix } from "../net/prefix.ts";
import type { AddressBook, AssignedAddress } from "./address-book.ts";
import { type AddressOwner, type Block, ownerOfNode } from "./block.ts";
import { type BlockChoice, chooseBlock, nodeOf } from "./block-choice.ts";
import { blockOrder } from "./block-order.ts";
import type { BlockClaims } from "./claims.ts";
import type { IpamConfig } from "./codec.ts";
import { IpamError } from "./errors.ts";
import type { IpamPool } from "./pool-selection.ts";
import type { IpamStore } from "./store.ts";

/** Blocks of one family per node, if nothing else is configured. */
const DEFAULT_MAX_BLOCKS = 20;

export interface AssignmentParts {
  readonly store: IpamStore;
  readonly claims: BlockClaims;
  readonly book: AddressBook;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly node: string;
  readonly family: 4 | 6;
  /** Pools to take from, in order. */
  readonly pools: readonly IpamPool[];
  /** Enabled pools that do not select this node any more; empty blocks of theirs are given back. */
  readonly poolsThatLeft: readonly IpamPool[];
}

/** One request for addresses of one family: own blocks first, then new ones, then other nodes' (unless affinity is strict). */
export class FamilyAssignment {
  readonly #parts: AssignmentParts;
  /** Own blocks in the chosen pools, by text. */
  readonly #own = new Set<string>();
  /** Blocks that another node was faster to claim. */
  readonly #avoid = new Set<string>();

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
  }

  /** Adds `count` addresses to `taken`; on an error those that are in it are taken all the same. */
  async assign(count: number, owner: AddressOwner, taken: AssignedAddress[]): Promise<void> {
    const { book, store } = this.#parts;
    const takeFrom = async (block: Prefix) => {
      taken.push(...(await book.take(block, count - taken.length, owner, (stored) => this.#isOurs(stored))));
      return taken.length >= count;
    };
    const config = await store.config();
    for (const block of await this.#ownBlocks()) if (await takeFrom(block)) return;
    let refusal: IpamError | undefined;
    try {
      while (!(await takeFrom(await this.#newBlock(config))));
      return;
    } catch (error) {
      if (!(error instanceof IpamError) || (error.code !== "BLOCK_LIMIT" && error.code !== "POOL_EXHAUSTED"))
        throw error;
      refusal = error;
    }
    if (!config.strictAffinity) await this.#borrow(count, owner, taken);
    if (taken.length >= count) return;
    const strict = config.strictAffinity ? "; no more free affine blocks and strict affinity enabled" : "";
    const message = `Assigned ${taken.length} out of ${count} requested IPv${this.#parts.family} addresses; `;
    throw new IpamError(refusal.code, message + refusal.message + strict, refusal.details);
  }

  /** An own block, claimed now if there is none. */
  async ensureBlock(): Promise<Prefix> {
    const [first] = await this.#ownBlocks();
    return first ?? (await this.#newBlock(await this.#parts.store.config()));
  }

  /** This node's blocks in the chosen pools; claims that were cut short are completed, lost ones dropped. */
  async #ownBlocks(): Promise<readonly Prefix[]> {
    const { store, claims, node, family, pools, poolsThatLeft } = this.#parts;
    const own: Prefix[] = [];
    for (const { block } of await store.affinities(node, family)) {
      if (pools.some((pool) => pool.cidr.contains(block))) {
        if (await claims.claim(block)) own.push(block);
      } else if (poolsThatLeft.some((pool) => pool.cidr.contains(block)))
        await claims.giveUp(node, block, { onlyEmpty: true });
    }
    for (const block of own) this.#own.add(block.toString());
    return own;
  }

  /** Claims one more block. Throws `BLOCK_LIMIT` or `POOL_EXHAUSTED`. */
  async #newBlock(config: IpamConfig): Promise<Prefix> {
    const { claims, node, pools } = this.#parts;
    const limit = config.maxBlocksPerHost || DEFAULT_MAX_BLOCKS;
    if (!config.autoAllocateBlocks)
      throw new IpamError("BLOCK_LIMIT", "auto_allocate_blocks is off, so that only blocks claimed by hand are used", {
        limit: this.#own.size,
      });
    for (;;) {
      if (this.#own.size >= limit)
        throw new IpamError(
          "BLOCK_LIMIT",
          `Need to allocate an IPAM block but could not - limit of ${limit} blocks reached for this node; ` +
            "raise maxBlocksPerHost (calictl ipam configure) or move pods to other nodes",
          { limit, node },
        );
      const choice = await this.#choose();
      if (choice.type === "claim") {
        const text = choice.block.toString();
        // A block of ours that was taken from in this request and still looks free is not worth another look.
        this.#avoid.add(text);
        if (!(await claims.claim(choice.block))) continue;
        this.#own.add(text);
        return choice.block;
      }
      if (!(await this.#reclaimOne(choice.candidates))) {
        const cidrs = pools.map((pool) => pool.cidr.toString());
        const message = `No IPs available in pools: [${cidrs.join(" ")}]; add a pool, or release unused addresses`;
        throw new IpamError("POOL_EXHAUSTED", message, { pools: cidrs });
      }
    }
  }

  async #choose(): Promise<BlockChoice> {
    const { store, family, pools, node, random, clock } = this.#parts;
    const blocks = (await store.blocks(family)).flatMap((slot) => slot.value ?? []);
    return chooseBlock(pools, blocks, { node, random, nowMs: clock.wallMs(), avoid: this.#avoid });
  }

  /** Takes an empty block away from its node; true if some block is free now. */
  async #reclaimOne(candidates: readonly Block[]): Promise<boolean> {
    const { claims, logger, node } = this.#parts;
    for (const block of candidates) {
      const { cidr, sequenceNumber } = block;
      const from = nodeOf(block);
      if (from === undefined) continue;
      if (await claims.giveUp(from, cidr, { onlyEmpty: true, expectedSequence: sequenceNumber })) {
        logger.info({ block: cidr.toString(), from, node }, "took over an empty block of another node");
        return true;
      }
    }
    return false;
  }

  /** Takes addresses of blocks whose nodes don't need them. Their `node` attribute tells routing where they went. */
  async #borrow(count: number, owner: AddressOwner, taken: AssignedAddress[]): Promise<void> {
    const { store, book, family, pools, node, random } = this.#parts;
    const blocks = (await store.blocks(family)).flatMap((slot) => slot.value ?? []);
    const withSpace = new Set(
      blocks.filter((block) => block.unallocated.length > 0).map((block) => block.cidr.toString()),
    );
    for (const pool of pools)
      for (const cidr of blockOrder(pool.cidr, pool.blockSize, node, random)) {
        if (withSpace.size === 0) return;
        if (!withSpace.delete(cidr.toString())) continue;
        taken.push(...(await book.take(cidr, count - taken.length, owner, () => true)));
        if (taken.length >= count) return;
      }
  }

  #isOurs(block: Block): boolean {
    return block.affinity === ownerOfNode(this.#parts.node);
  }
}
