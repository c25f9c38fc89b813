import type { Family } from "../packet/family.ts";
import type { BucketTable, Recipient } from "./bucket.ts";
import type { Slot } from "./path-slots.ts";
import type { SlotQueue } from "./slot-queue.ts";

/** A peer of an update group with the way to its socket. */
export interface GroupMember extends Recipient {
  /** Queues octets; false asks to stop until the peer is writable again. */
  send(bytes: Uint8Array): boolean;
  /** Both sides know enhanced route refresh (RFC 7313). */
  readonly demarcatesRefresh: boolean;
}

/** Members on their way from one group to another, with what they have been told so far. */
export interface Transfer {
  readonly members: ReadonlySet<GroupMember>;
  readonly endOfRibDue: ReadonlySet<GroupMember>;
  /** The buckets are held for whoever adopts the members. */
  readonly told: ReadonlyMap<Slot, number>;
  /** Families of a refresh that has begun and not ended; then there is one member. */
  readonly refreshing: ReadonlySet<Family>;
}

/**
 * Members of a group that have been told exactly the same and go on together. A group has one lane for those that are up
 * to date, and others for newcomers, for peers that read slowly and for answers to route refresh.
 */
export class Lane {
  readonly members: Set<GroupMember>;
  /**
   * Places of which the members' knowledge differs from the Adj-RIB-Out: the bucket of what they were told last, which the lane
   * holds, or `noBucket`. In the order in which they changed; a change of a place that waits here just waits on.
   */
  readonly pending: SlotQueue;
  readonly #buckets: BucketTable;
  /** Members that asked to stop; the lane rests until there are none. */
  readonly blocked = new Set<GroupMember>();
  /** Members that get an End-of-RIB when `pending` is empty. */
  readonly endOfRibDue = new Set<GroupMember>();
  /** Announce also what has been told already, for a route refresh; then the lane has one member. */
  readonly resend: boolean;
  /** Families for which that member has been told that a refresh begins: it hears of the end when `pending` is empty. */
  readonly refreshing = new Set<Family>();
  /** Members were told things by another group: wait until this group's Adj-RIB-Out is complete. */
  readonly transferred: boolean;
  /** When changes were sent last, by the monotonic clock. */
  sentMs = Number.NEGATIVE_INFINITY;
  /** Nothing sent yet and nothing told before: further newcomers may join. */
  fresh: boolean;

  /** Takes over what the entries of `pending` hold. */
  constructor(
    buckets: BucketTable,
    members: Iterable<GroupMember>,
    pending: SlotQueue,
    kind: { readonly resend?: boolean; readonly transferred?: boolean; readonly fresh?: boolean } = {},
  ) {
    this.#buckets = buckets;
    this.members = new Set(members);
    this.pending = pending;
    this.resend = kind.resend ?? false;
    this.transferred = kind.transferred ?? false;
    this.fresh = kind.fresh ?? false;
  }

  /** The Adj-RIB-Out of `slot` changed from `old` to `wanted`. */
  note(slot: Slot, old: number, wanted: number): void {
    const told = this.pending.get(slot);
    if (told < 0) {
      this.pending.add(slot, old);
      this.#buckets.retain(old);
    } else if (!this.resend && told === wanted) {
      this.pending.delete(slot);
      this.#buckets.release(told);
    }
  }

  /** A copy of `pending` whose buckets are held for whoever gets it. */
  copyPending(): SlotQueue {
    this.pending.each((_, told) => this.#buckets.retain(told));
    return this.pending.copy();
  }

  /** The lane is given up. */
  clear(): void {
    while (this.pending.shift((_, told) => this.#buckets.release(told)));
  }

  /** A new lane of some of the members with the same knowledge; they are no longer members of this one. */
  split(members: Iterable<GroupMember>): Lane {
    const lane = new Lane(this.#buckets, members, this.copyPending(), this);
    for (const member of lane.members) {
      this.members.delete(member);
      if (this.blocked.delete(member)) lane.blocked.add(member);
      if (this.endOfRibDue.delete(member)) lane.endOfRibDue.add(member);
    }
    return lane;
  }

  /** Takes over the members of a lane that knows the same; both have nothing pending. */
  absorb(other: Lane): void {
    for (const member of other.members) this.members.add(member);
    for (const member of other.endOfRibDue) this.endOfRibDue.add(member);
  }

  remove(member: GroupMember): void {
    this.members.delete(member);
    this.blocked.delete(member);
    this.endOfRibDue.delete(member);
  }
}
