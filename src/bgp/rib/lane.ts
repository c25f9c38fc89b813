import type { Family } from "../packet/family.ts";
import { type Bucket, bucketsEqual, type Recipient } from "./bucket.ts";
import type { Slot } from "./slot.ts";

/** A peer of an update group with the way to its socket. */
export interface GroupMember extends Recipient {
  /** Queues octets; false asks to stop until the peer is writable again. */
  send(bytes: Uint8Array): boolean;
  /** Both sides know enhanced route refresh (RFC 7313). */
  readonly demarcatesRefresh: boolean;
}

/**
 * Members of a group that have been told exactly the same and go on together. A group has one lane for those that are up
 * to date, and others for newcomers, for peers that read slowly and for answers to route refresh.
 */
export class Lane {
  readonly members: Set<GroupMember>;
  /**
   * Prefixes of which the members' knowledge differs from the Adj-RIB-Out: what they were told last, undefined for nothing.
   * In the order in which they changed; a change of a prefix that waits here just waits on.
   */
  readonly pending: Map<Slot, Bucket | undefined>;
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
  /** Nothing sent yet and nothing told before: further newcomers may join. */
  fresh: boolean;

  constructor(
    members: Iterable<GroupMember>,
    pending: Map<Slot, Bucket | undefined>,
    kind: { readonly resend?: boolean; readonly transferred?: boolean; readonly fresh?: boolean } = {},
  ) {
    this.members = new Set(members);
    this.pending = pending;
    this.resend = kind.resend ?? false;
    this.transferred = kind.transferred ?? false;
    this.fresh = kind.fresh ?? false;
  }

  /** The Adj-RIB-Out of `slot` changed from `old` to `wanted`. */
  note(slot: Slot, old: Bucket | undefined, wanted: Bucket | undefined): void {
    if (!this.pending.has(slot)) this.pending.set(slot, old);
    else if (!this.resend && bucketsEqual(this.pending.get(slot), wanted)) this.pending.delete(slot);
  }

  /** A new lane of some of the members with the same knowledge; they are no longer members of this one. */
  split(members: Iterable<GroupMember>): Lane {
    const lane = new Lane(members, new Map(this.pending), this);
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
