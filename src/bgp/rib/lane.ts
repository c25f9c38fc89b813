import type { Family } from "../packet/family.ts";
import type { AdjRibOut } from "./adj-rib-out.ts";
import type { BucketTable, Recipient } from "./bucket.ts";
import { isPathSlot } from "./path-slots.ts";
import type { SlotChanges } from "./slot-changes.ts";
import { TableWalk } from "./table-walk.ts";
import { ToldQueue } from "./told-queue.ts";
import { ToldSnapshot } from "./told-snapshot.ts";

/** A peer of an update group with the way to its socket. */
export interface GroupMember extends Recipient {
  /**
   * Queues octets, which are good only during the call, with so many UPDATEs in them; false asks to stop until the peer is
   * writable again.
   */
  send(octets: Uint8Array, updates: number): boolean;
  /** Both sides know enhanced route refresh (RFC 7313). */
  readonly demarcatesRefresh: boolean;
}

/** Members on their way from one group to another, with what they have been told so far. */
export interface Transfer {
  readonly members: ReadonlySet<GroupMember>;
  readonly endOfRibDue: ReadonlySet<GroupMember>;
  /** Held for whoever adopts the members. */
  readonly told: ToldSnapshot;
  /** Families of a refresh that has begun and not ended; then there is one member. */
  readonly refreshing: ReadonlySet<Family>;
}

/**
 * Members of a group that have been told exactly the same and go on together. A group has one lane for those that are up
 * to date, and others for newcomers, for peers that read slowly and for answers to route refresh.
 *
 * Invariants: of a place in `pending` the members know the bucket that waits with it, which the lane holds; of a place that `walk` has still
 * ahead what it was made for; of every other place what the Adj-RIB-Out says.
 */
export class Lane {
  readonly members: Set<GroupMember>;
  readonly #buckets: BucketTable;
  #pending = new ToldQueue();
  #walk: TableWalk | undefined;
  /** Members that asked to stop; the lane rests until there are none. */
  readonly blocked = new Set<GroupMember>();
  /** Members that get an End-of-RIB when all has been told. */
  readonly endOfRibDue = new Set<GroupMember>();
  /** Families for which the one member has been told that a refresh begins: it hears of the end when all has been told. */
  readonly refreshing = new Set<Family>();
  /** Members were told things by another group: wait until this group's Adj-RIB-Out is complete. */
  readonly transferred: boolean;
  /** When changes were sent last, by the monotonic clock. */
  sentMs = Number.NEGATIVE_INFINITY;
  /** Nothing sent yet and nothing told before: further newcomers may join. */
  fresh: boolean;

  /** Takes over the hold of `walk`. */
  constructor(
    buckets: BucketTable,
    members: Iterable<GroupMember>,
    walk: TableWalk | undefined,
    kind: { readonly transferred?: boolean; readonly fresh?: boolean } = {},
  ) {
    this.#buckets = buckets;
    this.members = new Set(members);
    this.#walk = walk;
    this.transferred = kind.transferred ?? false;
    this.fresh = kind.fresh ?? false;
  }

  /** Places of which the members' knowledge differs from the Adj-RIB-Out, or did when they were put there. */
  get pending(): ToldQueue {
    return this.#pending;
  }

  /** The part of the Adj-RIB-Out that the members have not yet been told of, or not since they asked for it again. */
  get walk(): TableWalk | undefined {
    return this.#walk;
  }

  /** True if the members know all that the Adj-RIB-Out says. */
  get isUpToDate(): boolean {
    return this.#walk === undefined && this.#pending.size === 0;
  }

  /** True if there is nothing to say, and nobody to wait for. */
  get isAtRest(): boolean {
    return this.isUpToDate && this.blocked.size + this.endOfRibDue.size + this.refreshing.size === 0;
  }

  /** The Adj-RIB-Out changed. */
  note(changes: SlotChanges): void {
    const walk = this.#walk;
    for (let index = 0; index < changes.size; index++) {
      const slot = changes.slotAt(index);
      if (walk?.isAhead(slot) === true || this.#pending.has(slot)) continue;
      const old = changes.oldAt(index);
      this.#pending.add(slot, old);
      this.#buckets.retain(old);
    }
  }

  /** The oldest places of `pending` have been told. */
  dropPending(count: number): void {
    this.#pending.releaseOldest(count, this.#buckets);
    this.#pending.drop(count);
  }

  /** All of the walk's places have been told. */
  endWalk(): void {
    this.#walk?.close();
    this.#walk = undefined;
  }

  /** What the members have been told, held for the caller. */
  told(out: AdjRibOut): ToldSnapshot {
    const told = this.#walk?.told;
    const ofPrefix = out.copyOfPrefixes(told?.prefixEnd ?? 0);
    const ofPath = out.copyOfPaths(told?.pathEnd ?? 0);
    this.#walk?.restore(ofPrefix, ofPath);
    for (let index = 0; index < this.#pending.size; index++) {
      const slot = this.#pending.slotAt(index);
      if (isPathSlot(slot)) ofPath[~slot] = this.#pending.bucketAt(index);
      else ofPrefix[slot] = this.#pending.bucketAt(index);
    }
    return new ToldSnapshot(this.#buckets, ofPrefix, ofPath);
  }

  /** The one member asked for a family again: everything is looked at once more, and what it has of the family is repeated. */
  repeat(family: Family, out: AdjRibOut): void {
    const walk = new TableWalk(this.told(out), new Set(this.#walk?.repeated).add(family));
    this.clear();
    this.#walk = walk;
  }

  /** Gives back what is held; there is nothing to tell any more. */
  clear(): void {
    this.dropPending(this.#pending.size);
    this.endWalk();
  }

  /** A new lane of some of the members with the same knowledge; they are no longer members of this one. */
  split(members: Iterable<GroupMember>): Lane {
    const lane = new Lane(this.#buckets, members, this.#walk?.copy(), this);
    for (let index = 0; index < this.#pending.size; index++) this.#buckets.retain(this.#pending.bucketAt(index));
    lane.#pending = this.#pending.copy();
    for (const member of lane.members) {
      this.members.delete(member);
      if (this.blocked.delete(member)) lane.blocked.add(member);
      if (this.endOfRibDue.delete(member)) lane.endOfRibDue.add(member);
    }
    return lane;
  }

  /** Takes over the members of a lane that knows the same; both are up to date. */
  absorb(other: Lane): void {
    for (const member of other.members) this.members.add(member);
    for (const member of other.endOfRibDue) this.endOfRibDue.add(member);
  }

  /** The member asked to stop, unless it has just left. */
  block(member: GroupMember): void {
    if (this.members.has(member)) this.blocked.add(member);
  }

  remove(member: GroupMember): void {
    this.members.delete(member);
    this.blocked.delete(member);
    this.endOfRibDue.delete(member);
  }
}
