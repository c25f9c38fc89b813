import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import { Prefix } from "../net/prefix.ts";
import type { AddressBook, AssignedAddress } from "./address-book.ts";
import { type AddressOwner, assignableOrdinals, type Block, collect, ownerOfNode } from "./block.ts";
import { chooseBlock, nodeOf } from "./block-choice.ts";
import { blockOrder } from "./block-order.ts";
import type { BlockClaims } from "./claims.ts";
import type { IpamConfig } from "./codec.ts";
import { IpamError } from "./errors.ts";
import type { IpamPool } from "./pool-selection.ts";
import { blockLimitReached, poolExhausted } from "./refusals.ts";
import type { Reservations } from "./reservations.ts";
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
  /** True for blocks that are given back as soon as they are empty. */
  readonly isUnwanted: (block: Prefix) => boolean;
  readonly reserved: Reservations;
  /** Blocks that the node may own at most for this request; 0 for what is configured. */
  readonly maxBlocks: number;
  readonly isUsedElsewhere: (block: Prefix) => boolean;
}

/** One request for addresses of one family: own blocks first, then new ones, then other nodes' (unless affinity is strict). */
export class FamilyAssignment {
  readonly #parts: AssignmentParts;
  /** Own blocks in the chosen pools, by text. */
  readonly #own = new Set<string>();
  /** Blocks that another node was faster to claim. */
  readonly #avoid = new Set<string>();
  /** Blocks that were taken away from other nodes, by text; routes to them that are still there mean nothing. */
  readonly #reclaimed = new Set<string>();

  constructor(parts: AssignmentParts) {
    this.#parts = parts;
  }

  /** Adds `count` addresses to `taken`; on an error those that are in it are taken all the same. */
  async assign(count: number, owner: AddressOwner, taken: AssignedAddress[]): Promise<void> {
    const { book, store, reserved } = this.#parts;
    const conditions = { usable: (stored: Block) => this.#isOurs(stored), reserved };
    const takeFrom = async (block: Prefix) => {
      taken.push(...(await book.take(block, count - taken.length, owner, conditions)));
      return taken.length >= count;
    };
    const config = await store.config();
    for await (const block of this.#ownBlocks()) if (!reserved.covers(block) && (await takeFrom(block))) return;
    let refusal: IpamError;
    try {
      while (!(await takeFrom(await this.#newBlock(config))));
      return;
    } catch (error) {
      if (!(error instanceof IpamError) || (error.code !== "BLOCK_LIMIT" && error.code !== "POOL_EXHAUSTED"))
        throw error;
      refusal = error;
    }
    if (!config.strictAffinity) await this.#borrow(count, owner, taken, config);
    if (taken.length >= count) return;
    const strict = config.strictAffinity ? "; No more free affine blocks and strict affinity enabled" : "";
    const message = `Assigned ${taken.length} out of ${count} requested IPv${this.#parts.family} addresses; `;
    throw new IpamError(refusal.code, message + refusal.message + strict, refusal.details);
  }

  /** An own block, claimed now if there is none. */
  async ensureBlock(): Promise<Prefix> {
    for await (const block of this.#ownBlocks()) return block;
    return this.#newBlock(await this.#parts.store.config());
  }

  /**
   * This node's blocks in the chosen pools; claims that were cut short are completed, lost ones dropped. One after the other:
   * most requests are served from the first.
   */
  async *#ownBlocks(): AsyncGenerator<Prefix> {
    const { store, claims, node, family, pools, isUnwanted } = this.#parts;
    const affinities = await store.affinities(node, family);
    const isChosen = (block: Prefix) => pools.some((pool) => pool.cidr.contains(block));
    for (const { block } of affinities)
      if (!isChosen(block) && isUnwanted(block)) await claims.giveUp(node, block, { onlyEmpty: true });
    for (const { block } of affinities) {
      if (!isChosen(block) || !(await claims.claim(block))) continue;
      this.#own.add(block.toString());
      yield block;
    }
  }

  /** Claims one more block. Throws `BLOCK_LIMIT` or `POOL_EXHAUSTED`. */
  async #newBlock(config: IpamConfig): Promise<Prefix> {
    const { claims, node, pools } = this.#parts;
    const limit = this.#blockLimit(config);
    if (!config.autoAllocateBlocks)
      throw new IpamError("BLOCK_LIMIT", "auto_allocate_blocks is off, so that only blocks claimed by hand are used", {
        limit: this.#own.size,
      });
    for (;;) {
      if (this.#own.size >= limit) throw blockLimitReached(node, limit, [...this.#own].map(Prefix.parse));
      const blocks = await this.#blocks(config);
      const choice = this.#choose(blocks);
      if (choice.type === "claim") {
        const text = choice.block.toString();
        // A block of ours that was taken from in this request and still looks free is not worth another look.
        this.#avoid.add(text);
        if (!(await claims.claim(choice.block))) continue;
        this.#own.add(text);
        return choice.block;
      }
      if (!(await this.#reclaimOne(choice.candidates))) throw poolExhausted(pools, blocks);
    }
  }

  #blockLimit({ maxBlocksPerHost }: IpamConfig): number {
    const limits = [maxBlocksPerHost, this.#parts.maxBlocks].filter((limit) => limit > 0);
    return limits.length === 0 ? DEFAULT_MAX_BLOCKS : Math.min(...limits);
  }

  /** All blocks of the family, without what has cooled down. */
  async #blocks({ cooldownSec }: IpamConfig): Promise<readonly Block[]> {
    const { store, family, clock } = this.#parts;
    const nowMs = clock.wallMs();
    const slots = await store.blocks(family);
    return slots.flatMap(({ value }) => (value === undefined ? [] : [collect(value, nowMs, cooldownSec)]));
  }

  #choose(blocks: readonly Block[]) {
    const { pools, node, random, clock, reserved } = this.#parts;
    const isUsedElsewhere = (block: Prefix) =>
      !this.#reclaimed.has(block.toString()) && this.#parts.isUsedElsewhere(block);
    const context = { node, random, nowMs: clock.wallMs(), avoid: this.#avoid, reserved, isUsedElsewhere };
    return chooseBlock(pools, blocks, context);
  }

  /** Takes an empty block away from its node; true if some block is free now. */
  async #reclaimOne(candidates: readonly Block[]): Promise<boolean> {
    const { claims, logger, node } = this.#parts;
    for (const block of candidates) {
      const { cidr, sequenceNumber } = block;
      const from = nodeOf(block);
      if (from === undefined) continue;
      if (await claims.giveUp(from, cidr, { onlyEmpty: true, expectedSequence: sequenceNumber })) {
        this.#reclaimed.add(cidr.toString());
        logger.info({ block: cidr.toString(), from, node }, "took over an empty block of another node");
        return true;
      }
    }
    return false;
  }

  /** Takes addresses of blocks whose nodes don't need them. Their `node` attribute tells routing where they went. */
  async #borrow(count: number, owner: AddressOwner, taken: AssignedAddress[], config: IpamConfig): Promise<void> {
    const { book, pools, node, random, reserved } = this.#parts;
    const withSpace = new Set(
      (await this.#blocks(config))
        .filter((block) => assignableOrdinals(block, reserved).length > 0)
        .map((block) => block.cidr.toString()),
    );
    for (const pool of pools)
      for (const cidr of blockOrder(pool.cidr, pool.blockSize, node, random)) {
        if (withSpace.size === 0) return;
        if (!withSpace.delete(cidr.toString())) continue;
        taken.push(...(await book.take(cidr, count - taken.length, owner, { usable: () => true, reserved })));
        if (taken.length >= count) return;
      }
  }

  #isOurs(block: Block): boolean {
    return block.affinity === ownerOfNode(this.#parts.node);
  }
}
