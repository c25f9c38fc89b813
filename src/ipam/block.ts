import type { ExactJsonObject } from "../core/exact-json.ts";
import { printExactJson } from "../core/exact-json.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { Reservations } from "./reservations.ts";

/** What the block says about the owner of one or more of its addresses, as stored. */
export type AllocationAttributes = ExactJsonObject;

/**
 * A slice of a pool that one node hands out addresses from. Ordinal n is the block's first address plus n. Immutable:
 * the functions below return the block that results.
 */
export interface Block {
  readonly cidr: Prefix;
  /** `host:<node>`, `virtual:<name>`, or null for a block that outlived its node. */
  readonly affinity: string | null;
  /** RFC 3339; absent in old blocks. */
  readonly affinityClaimTime?: string;
  /** One per address: an index into `attributes`, or null if free. */
  readonly allocations: readonly (number | null)[];
  /** The free ordinals, the next one to use first. */
  readonly unallocated: readonly number[];
  /** Null as long as no address was ever taken. */
  readonly attributes: readonly AllocationAttributes[] | null;
  /** Grows by one with every stored change; starts at the nanosecond of the claim. */
  readonly sequenceNumber: bigint;
  /** By ordinal: the block's sequence number before the write that took it. */
  readonly allocationSequence: ReadonlyMap<number, bigint>;
  /** Fields that we don't know. */
  readonly unknownFields: ExactJsonObject;
}

/** Who an address is taken for. */
export interface AddressOwner {
  readonly handleId: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export const ownerOfNode = (node: string): string => `host:${node}`;

/** A block that `node` has just claimed, all of it free. */
export function newBlock(cidr: Prefix, node: string, nowMs: number): Block {
  const ordinals = Array.from({ length: cidr.size }, (_, ordinal) => ordinal);
  return {
    cidr,
    affinity: ownerOfNode(node),
    affinityClaimTime: rfc3339(nowMs),
    allocations: ordinals.map(() => null),
    unallocated: ordinals,
    attributes: null,
    sequenceNumber: BigInt(Math.trunc(nowMs)) * 1_000_000n,
    allocationSequence: new Map(),
    unknownFields: {},
  };
}

/**
 * Takes up to `count` free addresses that are not reserved, the longest free first. The block is the same object if there
 * was none.
 */
export function allocate(
  block: Block,
  count: number,
  owner: AddressOwner,
  reserved = Reservations.none,
): { block: Block; addresses: IpAddress[] } {
  const taken = assignableOrdinals(block, reserved).slice(0, count);
  if (taken.length === 0) return { block, addresses: [] };
  return { block: take(block, taken, owner), addresses: taken.map((ordinal) => block.cidr.address.plus(ordinal)) };
}

/** The free ordinals that are not reserved, the next one to use first. */
export function assignableOrdinals(block: Block, reserved: Reservations): number[] {
  // An ordinal that a broken writer left in both lists is in use.
  const free = block.unallocated.filter((ordinal) => block.allocations[ordinal] === null);
  if (reserved.countIn(block.cidr) === 0) return free;
  return free.filter((ordinal) => !reserved.holds(block.cidr.address.plus(ordinal)));
}

/** Takes one address; undefined if it is not free. */
export function allocateAddress(block: Block, address: IpAddress, owner: AddressOwner): Block | undefined {
  const ordinal = ordinalOf(block, address);
  const free = block.allocations[ordinal] === null && block.unallocated.includes(ordinal);
  return free ? take(block, [ordinal], owner) : undefined;
}

/**
 * Frees addresses: at once without a cooldown; else they stay out of use, owned by nobody, until `collect` finds them
 * `cooldownSec` old.
 */
export function release(block: Block, ordinals: readonly number[], nowMs: number, cooldownSec: number): Block {
  const attributes = [...(block.attributes ?? []), { releasedAt: rfc3339(nowMs) }];
  const allocations = [...block.allocations];
  const allocationSequence = new Map(block.allocationSequence);
  for (const ordinal of ordinals) {
    allocations[ordinal] = attributes.length - 1;
    allocationSequence.set(ordinal, block.sequenceNumber);
  }
  const released = { ...block, allocations, attributes, allocationSequence, sequenceNumber: block.sequenceNumber + 1n };
  return collect(released, nowMs, cooldownSec);
}

/** The block with one address free at once that has been cooling down. */
export function warmed(block: Block, address: IpAddress): Block {
  const ordinal = ordinalOf(block, address);
  if (attributesOf(block, ordinal)?.releasedAt === undefined) return block;
  return freed(block, new Set([ordinal]));
}

/** Frees what was released at least `cooldownSec` ago, and drops attributes that nothing refers to. */
export function collect(block: Block, nowMs: number, cooldownSec: number): Block {
  const attributes = block.attributes ?? [];
  const cooled = new Set<number>();
  for (const [index, { releasedAt }] of attributes.entries())
    if (typeof releasedAt === "string" && !(Date.parse(releasedAt) + cooldownSec * 1_000 > nowMs)) cooled.add(index);
  const ordinals = block.allocations.flatMap((index, ordinal) =>
    index !== null && cooled.has(index) ? [ordinal] : [],
  );
  const used = new Set(block.allocations);
  if (ordinals.length === 0 && attributes.every((_, index) => used.has(index))) return block;
  return freed(block, new Set(ordinals));
}

/** The block with these ordinals free, the last ones to be used, and without attributes that nothing refers to. */
function freed(block: Block, ordinals: ReadonlySet<number>): Block {
  const attributes = block.attributes ?? [];
  const allocations = block.allocations.map((index, ordinal) => (ordinals.has(ordinal) ? null : index));
  const used = new Set(allocations);
  const kept = attributes.flatMap((_, index) => (used.has(index) ? [index] : []));
  const newIndex = new Map(kept.map((index, position) => [index, position]));
  const allocationSequence = new Map(block.allocationSequence);
  for (const ordinal of ordinals) allocationSequence.delete(ordinal);
  return {
    ...block,
    allocations: allocations.map((index) => (index === null ? null : (newIndex.get(index) ?? null))),
    unallocated: [...block.unallocated, ...ordinals],
    attributes: attributes.filter((_, index) => used.has(index)),
    allocationSequence,
  };
}

/** The same block after a write that changes nothing but makes concurrent writers lose. */
export function touched(block: Block): Block {
  return { ...block, sequenceNumber: block.sequenceNumber + 1n };
}

/** The block without an owner; addresses that are taken stay so. */
export function disowned(block: Block): Block {
  const { affinityClaimTime: _, ...rest } = block;
  return { ...rest, affinity: null, sequenceNumber: block.sequenceNumber + 1n };
}

/** The block with another owner, who has it from now on. */
export function reassigned(block: Block, node: string, nowMs: number): Block {
  return {
    ...block,
    affinity: ownerOfNode(node),
    affinityClaimTime: rfc3339(nowMs),
    sequenceNumber: block.sequenceNumber + 1n,
  };
}

/** True if every address is free; addresses that cool down are not. */
export function isEmpty(block: Block): boolean {
  return block.allocations.every((index) => index === null);
}

/** The ordinals taken under a handle. */
export function ordinalsOfHandle(block: Block, handleId: string): number[] {
  return block.allocations.flatMap((_, ordinal) => (handleOf(block, ordinal) === handleId ? [ordinal] : []));
}

/** The handle of an ordinal; undefined if it is free, cools down, or has none. */
export function handleOf(block: Block, ordinal: number): string | undefined {
  const handle = attributesOf(block, ordinal)?.handle_id;
  // Some old writers appended "\r\neth0".
  return typeof handle === "string" ? handle.split("\r", 1)[0] : undefined;
}

/** True if the ordinal is in use; one that cools down is not. */
export function isTaken(block: Block, ordinal: number): boolean {
  const attributes = attributesOf(block, ordinal);
  return attributes !== undefined && attributes.releasedAt === undefined;
}

/** True if the ordinal belongs to exactly this owner. */
export function isOwnedBy(block: Block, ordinal: number, owner: AddressOwner): boolean {
  const attributes = attributesOf(block, ordinal);
  return attributes !== undefined && printExactJson(attributes) === printExactJson(attributesFor(owner));
}

/** The ordinal of an address of the block. */
export function ordinalOf(block: Block, address: IpAddress): number {
  return Number(address.toBigInt() - block.cidr.address.toBigInt());
}

/** What is stored of an ordinal; undefined if it is free. */
export function attributesOf(block: Block, ordinal: number): AllocationAttributes | undefined {
  const index = block.allocations[ordinal];
  return index === null || index === undefined ? undefined : block.attributes?.[index];
}

function take(block: Block, ordinals: readonly number[], owner: AddressOwner): Block {
  const wanted = attributesFor(owner);
  const text = printExactJson(wanted);
  const attributes = [...(block.attributes ?? [])];
  let index = attributes.findIndex((each) => printExactJson(each) === text);
  if (index < 0) index = attributes.push(wanted) - 1;
  const allocations = [...block.allocations];
  const allocationSequence = new Map(block.allocationSequence);
  for (const ordinal of ordinals) {
    allocations[ordinal] = index;
    allocationSequence.set(ordinal, block.sequenceNumber);
  }
  const unallocated = block.unallocated.filter((ordinal) => !ordinals.includes(ordinal));
  const sequenceNumber = block.sequenceNumber + 1n;
  return { ...block, allocations, unallocated, attributes, allocationSequence, sequenceNumber };
}

/** Go prints maps in the order of their keys. */
function attributesFor({ handleId, attributes }: AddressOwner): AllocationAttributes {
  const sorted = Object.entries(attributes).sort(([left], [right]) => (left < right ? -1 : 1));
  return { handle_id: handleId, secondary: Object.fromEntries(sorted) };
}

function rfc3339(timeMs: number): string {
  return `${new Date(timeMs).toISOString().slice(0, 19)}Z`;
}
