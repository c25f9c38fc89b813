import type { Operation } from "../../src/datastore/datastore.ts";
import { type Block, handleOf, ordinalsOfHandle } from "../../src/ipam/block.ts";
import { type AffinityState, decodeAffinity, decodeBlock, decodeHandle } from "../../src/ipam/codec.ts";
import { AFFINITIES_PREFIX, blocksPrefix, HANDLES_PREFIX, parseAffinityKey } from "../../src/ipam/keys.ts";
import { blockProblems } from "../../test/support/ipam-audit.ts";

/** Who makes a write, and what it may do to addresses. */
export interface Actor {
  readonly name: string;
  /** The handle that it may take and free addresses for. */
  readonly handleId?: string;
  /** Whether it may record this address for this handle again. */
  readonly asserts?: (address: string, handleId: string) => boolean;
  /** Whether it may free this address of this handle. */
  readonly frees?: (address: string, handleId: string) => boolean;
  /** Whether it may take this block from this node although addresses of it are taken. */
  readonly releases?: (block: string, node: string) => boolean;
}

/** A time during which a handle had an address. */
export interface Tenure {
  readonly address: string;
  readonly handleId: string;
  readonly sequence: bigint;
  readonly fromMs: number;
  ended: boolean;
}

const OWNER_PREFIX = "host:";

/**
 * Reads along with every write and notes what goes against the rules of IPAM at that very revision: an address that
 * changes hands without being free in between, or that somebody frees who may not; one without a handle; a handle that
 * counts wrong; a block with two owners, or with none that has confirmed it; two blocks that overlap.
 */
export class Ledger {
  readonly violations: string[] = [];
  readonly #nowMs: () => number;
  readonly #cooldownMs: number;
  readonly #blocks = new Map<string, Block>();
  readonly #handles = new Map<string, ReadonlyMap<string, number>>();
  /** By block and node. */
  readonly #affinities = new Map<string, Map<string, AffinityState>>();
  /** By handle. */
  readonly #tenures = new Map<string, Tenure[]>();
  readonly #current = new Map<string, Tenure>();
  /** When the address was last not there, not free, or cooling down; when the block was last there. */
  readonly #lastTakenMs = new Map<string, number>();
  readonly #addresses = new Map<string, readonly string[]>();
  readonly #lastPresentMs = new Map<string, number>();

  constructor(nowMs: () => number, cooldownSec: number) {
    this.#nowMs = nowMs;
    this.#cooldownMs = cooldownSec * 1_000;
  }

  /** Who has the address now. */
  holder(address: string): Tenure | undefined {
    return this.#current.get(address);
  }

  /** The times of a handle that have not ended. */
  held(handleId: string): readonly Tenure[] {
    return this.tenures(handleId).filter(({ ended }) => !ended);
  }

  /** All addresses that a handle has had. */
  tenures(handleId: string): readonly Tenure[] {
    return this.#tenures.get(handleId) ?? [];
  }

  /** All times that have not ended. */
  current(): Iterable<Tenure> {
    return this.#current.values();
  }

  get blocks(): ReadonlyMap<string, Block> {
    return this.#blocks;
  }

  affinities(): { readonly block: string; readonly node: string; readonly state: AffinityState }[] {
    return [...this.#affinities].flatMap(([block, nodes]) =>
      [...nodes].map(([node, state]) => ({ block, node, state })),
    );
  }

  /** How many addresses of existing blocks have been free, and not cooling down, all the time since then. */
  freeSince(sinceMs: number, usable: (block: Block) => boolean): number {
    let count = 0;
    for (const [cidr, block] of this.#blocks)
      if (usable(block))
        for (const [ordinal, index] of block.allocations.entries()) {
          const attributes = index === null ? undefined : block.attributes?.[index];
          const releasedMs = Date.parse(`${attributes?.releasedAt}`);
          const address = this.#addressOf(cidr, block, ordinal);
          const takenMs = Number.isNaN(releasedMs)
            ? (this.#lastTakenMs.get(address) ?? 0)
            : // Stored without its fraction of a second.
              releasedMs + 1_000 + this.#cooldownMs;
          if (this.#current.get(address) === undefined && takenMs < sinceMs) count++;
        }
    return count;
  }

  /** How many of these blocks have not existed since then. */
  absentSince(sinceMs: number, blocks: readonly string[]): number {
    return blocks.filter((block) => !this.#blocks.has(block) && (this.#lastPresentMs.get(block) ?? 0) < sinceMs).length;
  }

  /** When the block, its owner or one of its addresses changed last. */
  changedAt(block: string): number {
    return this.#lastPresentMs.get(block) ?? 0;
  }

  /** Until when the address was not free, or cooling down; now, if somebody has it. */
  takenUntil(address: string): number {
    return this.#current.has(address) ? this.#nowMs() : (this.#lastTakenMs.get(address) ?? 0) + this.#cooldownMs;
  }

  complain(text: string): void {
    this.violations.push(text);
  }

  /** One transaction that has been made. */
  record(actor: Actor, operations: readonly Operation[], revision: bigint): void {
    const blocks = new Set<string>();
    const handles = new Set<string>();
    const complain = (text: string) => this.complain(`revision ${revision}, ${actor.name}: ${text}`);
    for (const operation of operations) {
      if (operation.type === "get") continue;
      const { key } = operation;
      const value = operation.type === "put" ? operation.value : undefined;
      const affinity = parseAffinityKey(key);
      if (affinity !== undefined) {
        blocks.add(`${affinity.block}`);
        this.#setAffinity(affinity.node, `${affinity.block}`, value && decodeAffinity(key, value));
      } else if (key.startsWith(blocksPrefix(4)) || key.startsWith(blocksPrefix(6))) {
        const cidr = key.slice(key.lastIndexOf("/") + 1).replace(/-(?=\d+$)/, "/");
        blocks.add(cidr);
        const next = value === undefined ? undefined : decodeBlock(key, value);
        for (const handleId of this.#changeBlock(actor, cidr, next, complain)) handles.add(handleId);
      } else if (key.startsWith(HANDLES_PREFIX)) {
        const handleId = key.slice(HANDLES_PREFIX.length);
        handles.add(handleId);
        const handle = value === undefined ? undefined : decodeHandle(key, value);
        if (handle === undefined) this.#handles.delete(handleId);
        else this.#handles.set(handleId, handle.counts);
      } else if (!key.startsWith(AFFINITIES_PREFIX)) complain(`writes ${key}, which is none of IPAM's keys`);
    }
    for (const cidr of blocks) this.#checkOwner(cidr, complain);
    for (const handleId of handles) this.#checkCounts(handleId, complain);
  }

  #setAffinity(node: string, cidr: string, state: AffinityState | "" | undefined): void {
    const nodes = this.#affinities.get(cidr) ?? new Map<string, AffinityState>();
    this.#affinities.set(cidr, nodes);
    if (state === undefined || state === "") nodes.delete(node);
    else nodes.set(node, state);
  }

  /** Takes over the new value of a block; the handles of all addresses that changed. */
  #changeBlock(actor: Actor, cidr: string, next: Block | undefined, complain: (text: string) => void): Set<string> {
    const before = this.#blocks.get(cidr);
    const changed = new Set<string>();
    this.#lastPresentMs.set(cidr, this.#nowMs());
    if (next !== undefined) {
      for (const problem of blockProblems(next)) complain(problem);
      if (before !== undefined && next.sequenceNumber !== before.sequenceNumber + 1n)
        complain(`${cidr} goes from sequence number ${before.sequenceNumber} to ${next.sequenceNumber}`);
      for (const [text, other] of before === undefined ? this.#blocks : [])
        if (other.cidr.overlaps(next.cidr)) complain(`${cidr} overlaps ${text}`);
      this.#blocks.set(cidr, next);
    } else this.#blocks.delete(cidr);
    const whole = next ?? before;
    if (whole === undefined) return changed;
    for (const ordinal of whole.allocations.keys()) {
      const address = this.#addressOf(cidr, whole, ordinal);
      const from = before && this.#stateOf(before, ordinal);
      const to = next === undefined ? { type: "free" as const } : this.#stateOf(next, ordinal);
      if (from?.type !== "free" || to.type !== "free") this.#lastTakenMs.set(address, this.#nowMs());
      if (from?.type === "taken" && to.type === "taken" && from.handleId === to.handleId) {
        if (from.sequence !== to.sequence) complain(`${address} of ${from.handleId} gets another sequence number`);
        continue;
      }
      if (from?.type === "cooling" && to.type !== "cooling" && from.untilMs > this.#nowMs())
        complain(`${address} is in use again before it has cooled down`);
      if (from?.type === "taken") {
        changed.add(from.handleId);
        this.#end(actor, address, from.handleId, complain);
      }
      if (to.type === "taken") {
        changed.add(to.handleId);
        if (from?.type === "taken") complain(`${address} goes from ${from.handleId} to ${to.handleId}`);
        this.#begin(actor, { address, ...to, fromMs: this.#nowMs(), ended: false }, complain);
      }
      if (to.type === "nameless") complain(`${address} is taken without a handle`);
    }
    this.#checkRelease(actor, before, next, complain);
    return changed;
  }

  #begin(actor: Actor, tenure: Tenure, complain: (text: string) => void): void {
    const { address, handleId } = tenure;
    if (actor.handleId !== handleId && actor.asserts?.(address, handleId) !== true)
      complain(`takes ${address} for ${handleId}`);
    this.#current.set(tenure.address, tenure);
    this.#tenures.set(tenure.handleId, [...this.tenures(tenure.handleId), tenure]);
  }

  #end(actor: Actor, address: string, handleId: string, complain: (text: string) => void): void {
    const tenure = this.#current.get(address);
    if (tenure !== undefined) tenure.ended = true;
    this.#current.delete(address);
    if (actor.handleId !== handleId && actor.frees?.(address, handleId) !== true)
      complain(`frees ${address}, which is of ${handleId}`);
  }

  /** Nobody loses a block with addresses in it, unless this is what was asked for. */
  #checkRelease(actor: Actor, before: Block | undefined, next: Block | undefined, complain: (text: string) => void) {
    const owner = before?.affinity;
    if (before === undefined || typeof owner !== "string" || next?.affinity === owner) return;
    const isFree = (ordinal: number) => {
      const state = this.#stateOf(before, ordinal);
      return state.type === "free" || (state.type === "cooling" && state.untilMs <= this.#nowMs());
    };
    if ([...before.allocations.keys()].every(isFree)) return;
    if (actor.releases?.(`${before.cidr}`, owner.slice(OWNER_PREFIX.length)) !== true)
      complain(`takes ${before.cidr}, which is not empty, from ${owner}`);
  }

  #checkOwner(cidr: string, complain: (text: string) => void): void {
    const confirmed = [...(this.#affinities.get(cidr) ?? [])].flatMap(([node, state]) =>
      state === "confirmed" ? [node] : [],
    );
    if (confirmed.length > 1) complain(`${cidr} is confirmed as ${confirmed.join(" and ")}'s`);
    const owner = this.#blocks.get(cidr)?.affinity;
    for (const node of confirmed)
      if (owner !== `host:${node}`) complain(`${node} has confirmed ${cidr}, which is of ${owner ?? "nobody"}`);
  }

  #checkCounts(handleId: string, complain: (text: string) => void): void {
    const actual = new Map<string, number>();
    for (const [cidr, block] of this.#blocks) {
      const count = ordinalsOfHandle(block, handleId).length;
      if (count > 0) actual.set(cidr, count);
    }
    const counted = this.#handles.get(handleId) ?? new Map<string, number>();
    for (const cidr of new Set([...actual.keys(), ...counted.keys()]))
      if (actual.get(cidr) !== counted.get(cidr))
        complain(`handle ${handleId} counts ${counted.get(cidr) ?? 0} in ${cidr}, not ${actual.get(cidr) ?? 0}`);
    if (this.#handles.get(handleId)?.size === 0) complain(`handle ${handleId} is kept although it has nothing`);
  }

  /** The text of an address, which is asked for very often. */
  #addressOf(cidr: string, block: Block, ordinal: number): string {
    let texts = this.#addresses.get(cidr);
    if (texts === undefined) {
      texts = block.allocations.map((_, each) => `${block.cidr.address.plus(each)}`);
      this.#addresses.set(cidr, texts);
    }
    return texts[ordinal] ?? "";
  }

  #stateOf(block: Block, ordinal: number): AddressState {
    const index = block.allocations[ordinal];
    if (index === null || index === undefined) return { type: "free" };
    const releasedMs = Date.parse(`${block.attributes?.[index]?.releasedAt}`);
    if (!Number.isNaN(releasedMs)) return { type: "cooling", untilMs: releasedMs + this.#cooldownMs };
    const handleId = handleOf(block, ordinal);
    if (handleId === undefined) return { type: "nameless" };
    return { type: "taken", handleId, sequence: block.allocationSequence.get(ordinal) ?? 0n };
  }
}

type AddressState =
  | { readonly type: "free" }
  | { readonly type: "nameless" }
  | { readonly type: "cooling"; readonly untilMs: number }
  | { readonly type: "taken"; readonly handleId: string; readonly sequence: bigint };
