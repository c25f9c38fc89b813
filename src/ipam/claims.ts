import type { Clock } from "../core/clock.ts";
import type { Prefix } from "../net/prefix.ts";
import { type Block, collect, disowned, isEmpty, newBlock, ownerOfNode, touched } from "./block.ts";
import { type AffinityState, encodeAffinity, encodeBlock } from "./codec.ts";
import { Retry } from "./retry.ts";
import type { IpamStore, Slot } from "./store.ts";

/**
 * Who owns which block. A claim takes three writes, so that implementations without multi-key transactions can take part:
 *
 *   1. the affinity becomes `pending`      2. the block is created (or rewritten)      3. the affinity becomes `confirmed`
 *
 * The block arbitrates: several nodes may hold pending affinities, one of them creates the block. Every try begins with
 * reading both keys and does the first step that is missing, so that a claim which stopped anywhere is completed or undone
 * by the next one, and a lost answer needs no care of its own.
 */
export class BlockClaims {
  readonly #store: IpamStore;
  readonly #node: string;
  readonly #clock: Clock;
  readonly #random: () => number;

  constructor(store: IpamStore, node: string, clock: Clock, random: () => number) {
    this.#store = store;
    this.#node = node;
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Makes the block this node's own. False if it is somebody else's, or nobody's with addresses in use; our affinity to it is
   * gone then.
   */
  async claim(cidr: Prefix): Promise<boolean> {
    const retry = new Retry(this.#clock, this.#random, `claim block ${cidr} for node ${this.#node}`);
    for (;;) {
      const { affinity, block } = await this.#store.claim(this.#node, cidr);
      if (block.value?.affinity === null && isEmpty(await this.#collected(block.value)))
        // It has outlived its owner and the last address; whether it is gone now or was changed, the next look tells.
        await this.#store.commit({ slot: block });
      else if (block.value !== undefined && block.value.affinity !== ownerOfNode(this.#node)) {
        if (affinity.revision === 0n || (await this.#store.commit({ slot: affinity })) === "done") return false;
      } else if (block.value !== undefined && affinity.value === "confirmed") return true;
      else if (await this.#advance(cidr, affinity)) return true;
      await retry.pause();
    }
  }

  /**
   * Ends a node's ownership of a block: an empty one is deleted, another one stays without an owner. False, and nothing is
   * changed, if the block is not the node's, or if `onlyEmpty` and an address is taken, or if it is not at
   * `expectedSequence` any more. Affinity and block change in one transaction, so that no half of it can remain.
   */
  async giveUp(
    node: string,
    cidr: Prefix,
    options: { readonly onlyEmpty: boolean; readonly expectedSequence?: bigint },
  ): Promise<boolean> {
    const retry = new Retry(this.#clock, this.#random, `release block ${cidr} of node ${node}`);
    for (;;) {
      const { affinity, block } = await this.#store.claim(node, cidr);
      const stale = affinity.revision === 0n ? [] : [{ slot: affinity }];
      if (block.value?.affinity !== ownerOfNode(node)) {
        if (stale.length === 0 || (await this.#store.commit(...stale)) === "done") return block.value === undefined;
      } else {
        const { sequenceNumber } = block.value;
        const current = await this.#collected(block.value);
        const empty = isEmpty(current);
        if (options.onlyEmpty && !empty) return false;
        if (options.expectedSequence !== undefined && options.expectedSequence !== sequenceNumber) return false;
        const change = empty ? { slot: block } : { slot: block, text: encodeBlock(disowned(current)) };
        if ((await this.#store.commit(change, ...stale)) === "done") return true;
      }
      await retry.pause();
    }
  }

  /** The block without what has cooled down. */
  async #collected(block: Block): Promise<Block> {
    const { cooldownSec } = await this.#store.config();
    return collect(block, this.#clock.wallMs(), cooldownSec);
  }

  /** The steps from where a claim stands; false if one of them met another writer or its answer was lost. */
  async #advance(cidr: Prefix, found: Slot<AffinityState>): Promise<boolean> {
    if (found.value !== "pending") {
      const change = { slot: found, text: encodeAffinity("pending") };
      if ((await this.#store.commit(change)) !== "done") return false;
    }
    const { affinity, block } = await this.#store.claim(this.#node, cidr);
    if (affinity.value !== "pending") return false;
    if (block.value !== undefined && block.value.affinity !== ownerOfNode(this.#node)) return false;
    // A block that is there already is rewritten, so that somebody who is about to release it loses.
    const next = block.value === undefined ? newBlock(cidr, this.#node, this.#clock.wallMs()) : touched(block.value);
    if ((await this.#store.commit({ slot: block, text: encodeBlock(next) })) !== "done") return false;
    return (await this.#store.commit({ slot: affinity, text: encodeAffinity("confirmed") })) === "done";
  }
}
