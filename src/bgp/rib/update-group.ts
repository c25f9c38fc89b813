import type { Clock, Timer } from "../../core/clock.ts";
import type { Prefix } from "../../net/prefix.ts";
import { RefreshSubtype } from "../packet/constants.ts";
import type { BgpPacketError } from "../packet/errors.ts";
import { afiSafiOf, type Family } from "../packet/family.ts";
import { encodeRouteRefresh } from "../packet/route-refresh.ts";
import { encodeEndOfRib } from "../packet/update-encode.ts";
import type { Path } from "../types.ts";
import { familyOfPrefix, ReceivedPath } from "./adj-rib-in.ts";
import { type Bucket, BucketTable, bucketsEqual, isExcluded, type Recipient } from "./bucket.ts";
import type { ExportRules } from "./export-rules.ts";
import { type GroupMember, Lane } from "./lane.ts";
import type { Destination, Rib } from "./rib.ts";
import type { Slot } from "./slot.ts";
import { UpdateBatch } from "./update-batch.ts";

/** How long members that can be written to wait for the others of their lane before they go on without them. */
const laggardGraceMs = 100;

/** What a group needs from the speaker. */
export interface GroupEnvironment {
  readonly rib: Rib;
  readonly clock: Clock;
  /** There is something to do: call `work` in the next turn of the event loop. */
  readonly wake: () => void;
  /** While true only routes of our own go out and no End-of-RIB (RFC 4724 §4.1). */
  readonly learnedHeld: () => boolean;
  /** Routes were withdrawn because no message can carry them. */
  readonly onUnencodable: (prefixes: readonly Prefix[], error: BgpPacketError) => void;
  /** A policy keeps a route from a group's peers. */
  readonly onRefused?: ((path: Path, reason: string) => void) | undefined;
}

/** Members on their way from one group to another, with what they have been told so far. */
export interface Transfer {
  readonly members: ReadonlySet<GroupMember>;
  readonly endOfRibDue: ReadonlySet<GroupMember>;
  readonly told: ReadonlyMap<Slot, Bucket>;
  /** Families of a refresh that has begun and not ended; then there is one member. */
  readonly refreshing: ReadonlySet<Family>;
}

/**
 * Peers that are told the same: export policy runs and UPDATEs are encoded once, however many members there are. `#out` is
 * the Adj-RIB-Out that all of them are to have in the end; lanes know how far each one is.
 */
export class UpdateGroup {
  readonly rules: ExportRules;
  readonly #environment: GroupEnvironment;
  readonly #out = new Map<Slot, Bucket>();
  /** The places of prefixes in `#out`, where each has several. */
  readonly #slots = new Map<Destination, readonly Slot[]>();
  readonly #buckets = new BucketTable();
  readonly #lanes = new Set<Lane>();
  readonly #laneOf = new Map<GroupMember, Lane>();
  readonly #laggardTimers = new Map<Lane, Timer>();
  /** Families that members have asked for again since the last turn: a flood of requests costs one look at the table per turn. */
  readonly #asked = new Map<GroupMember, Set<Family>>();
  /** The part of the Loc-RIB that is not yet in `#out`. */
  #unread: Iterator<Destination> | undefined;

  constructor(rules: ExportRules, environment: GroupEnvironment) {
    this.rules = rules;
    this.#environment = environment;
    this.reload();
  }

  get size(): number {
    return this.#laneOf.size;
  }

  /** Runs the whole Loc-RIB through the rules again, in slices. */
  reload(): void {
    this.#unread = this.#environment.rib.destinations()[Symbol.iterator]();
    this.#environment.wake();
  }

  /** True if some family has more than one path per prefix: then changes of paths that are not the best matter, too. */
  get addsPaths(): boolean {
    return this.rules.profile.context.addPathSend.length > 0;
  }

  /** The Loc-RIB's choice for this prefix changed, or with several paths anything about it. */
  apply(destination: Destination): void {
    const limit = this.addsPaths ? this.#pathLimit(destination.prefix) : undefined;
    if (limit === undefined) this.#put(destination, this.#export(destination.selected[0]));
    else this.#applyPaths(destination, limit);
  }

  #pathLimit(prefix: Prefix): "all" | number | undefined {
    const { context, addPathLimits } = this.rules.profile;
    const family = familyOfPrefix(prefix);
    return context.addPathSend.includes(family) ? (addPathLimits[family] ?? "all") : undefined;
  }

  #applyPaths(destination: Destination, limit: "all" | number): void {
    const wanted = new Map<Slot, Bucket>();
    for (const slot of this.#environment.rib.slotsOf(destination.prefix, limit)) {
      const bucket = this.#export(slot.path);
      if (bucket !== undefined) wanted.set(slot, bucket);
    }
    // The new ones first, so that those who are told in several turns are not left without any in between.
    const known = this.#slots.get(destination) ?? [];
    for (const [slot, bucket] of wanted) this.#put(slot, bucket);
    for (const slot of known) if (!wanted.has(slot)) this.#put(slot, undefined);
    if (wanted.size === 0) this.#slots.delete(destination);
    else this.#slots.set(destination, [...wanted.keys()]);
  }

  #put(slot: Slot, wanted: Bucket | undefined): void {
    const old = this.#out.get(slot);
    // The wanted one was taken before the old one is given back, so that an unchanged bucket stays the same object.
    if (old !== undefined) this.#buckets.release(old);
    if (old === wanted) return;
    if (wanted === undefined) this.#out.delete(slot);
    else this.#out.set(slot, wanted);
    for (const lane of this.#lanes) lane.note(slot, old, wanted);
  }

  /** A new session: gets the whole Adj-RIB-Out and an End-of-RIB per family. */
  join(member: GroupMember): void {
    let lane = [...this.#lanes].find(({ fresh }) => fresh);
    if (lane === undefined) {
      lane = new Lane([], new Map(), { fresh: true });
      for (const slot of this.#out.keys()) lane.pending.set(slot, undefined);
      this.#lanes.add(lane);
    }
    lane.endOfRibDue.add(member);
    this.#enter(member, lane);
  }

  leave(member: GroupMember): void {
    const lane = this.#laneOf.get(member);
    if (lane === undefined) return;
    this.#laneOf.delete(member);
    this.#asked.delete(member);
    lane.remove(member);
    this.#settleLane(lane);
    this.#environment.wake();
  }

  /** Takes `members` out, one transfer per lane, so that those who know the same stay together. */
  extract(members: ReadonlySet<GroupMember>): Transfer[] {
    const transfers: Transfer[] = [];
    this.#answerRequests();
    for (const lane of [...this.#lanes]) {
      const leaving = new Set([...lane.members].filter((member) => members.has(member)));
      if (leaving.size === 0) continue;
      const told = new Map(this.#out);
      for (const [slot, bucket] of lane.pending)
        if (bucket === undefined) told.delete(slot);
        else told.set(slot, bucket);
      const endOfRibDue = new Set([...lane.endOfRibDue].filter((member) => leaving.has(member)));
      transfers.push({ members: leaving, endOfRibDue, told, refreshing: lane.refreshing });
      for (const member of leaving) this.leave(member);
    }
    return transfers;
  }

  /** Members of another group join; they are told only what differs from what they know. */
  adopt(transfer: Transfer): void {
    const pending = new Map<Slot, Bucket | undefined>();
    for (const [slot, told] of transfer.told) if (!bucketsEqual(told, this.#out.get(slot))) pending.set(slot, told);
    for (const slot of this.#out.keys()) if (!transfer.told.has(slot)) pending.set(slot, undefined);
    const lane = new Lane([], pending, { transferred: true });
    this.#lanes.add(lane);
    for (const member of transfer.members) this.#enter(member, lane);
    for (const member of transfer.endOfRibDue) lane.endOfRibDue.add(member);
    for (const family of transfer.refreshing) for (const member of transfer.members) this.refresh(member, family);
  }

  /**
   * Announces all routes of a family to this member once more (RFC 2918). Requests during an answer make one more pass at
   * most. Beginning and end are marked if the member knows RFC 7313, but not before the End-of-RIB (§4).
   */
  refresh(member: GroupMember, family: Family): void {
    const lane = this.#laneOf.get(member);
    if (lane === undefined || lane.fresh) return;
    this.#asked.set(member, (this.#asked.get(member) ?? new Set()).add(family));
    this.#environment.wake();
  }

  #answerRequests(): void {
    for (const [member, asked] of this.#asked) for (const family of asked) this.#resend(member, family);
    this.#asked.clear();
  }

  #resend(member: GroupMember, family: Family): void {
    const lane = this.#laneOf.get(member);
    if (lane === undefined || lane.fresh) return;
    const own = lane.members.size === 1 ? lane : this.#track(lane.split([member]));
    const pending = new Map<Slot, Bucket | undefined>(own.pending);
    for (const [slot, bucket] of this.#out)
      if (familyOfPrefix(slot.prefix) === family && !pending.has(slot)) pending.set(slot, bucket);
    const resend = new Lane(own.members, pending, { resend: true, transferred: own.transferred });
    for (const other of own.blocked) resend.blocked.add(other);
    for (const other of own.endOfRibDue) resend.endOfRibDue.add(other);
    for (const other of own.refreshing) resend.refreshing.add(other);
    if (member.demarcatesRefresh && !own.endOfRibDue.has(member) && !own.refreshing.has(family)) {
      resend.refreshing.add(family);
      if (!member.send(demarcation(family, RefreshSubtype.begin))) resend.blocked.add(member);
    }
    this.#forget(own);
    this.#track(resend);
  }

  /** The member's socket takes more. */
  onWritable(member: GroupMember): void {
    const lane = this.#laneOf.get(member);
    if (lane === undefined || !lane.blocked.delete(member)) return;
    this.#settleLane(lane);
    this.#environment.wake();
  }

  /** Does a bounded part of what there is to do; true if something is left that need not wait for anybody. */
  work(limit: number): boolean {
    this.#answerRequests();
    this.#read(limit);
    for (const lane of [...this.#lanes]) this.#flush(lane, limit);
    this.#merge();
    return this.#unread !== undefined || [...this.#lanes].some((lane) => lane.pending.size > 0 && this.#mayFlush(lane));
  }

  /** True if no member has anything to wait for, so that nobody holds a destination that is gone. */
  get idle(): boolean {
    return (
      this.#unread === undefined && this.#asked.size === 0 && [...this.#lanes].every((lane) => lane.pending.size === 0)
    );
  }

  countFor(recipient: Recipient): number {
    return this.#out.size - this.#buckets.countExcluded(recipient);
  }

  /** The Adj-RIB-Out of one member. */
  *pathsFor(recipient: Recipient): IterableIterator<Path> {
    for (const [slot, bucket] of this.#out) {
      const path = this.#pathIn(slot);
      if (path === undefined || isExcluded(bucket, recipient)) continue;
      const { attributes, nextHop } = bucket;
      const { source, stale } = path;
      yield { prefix: slot.prefix, pathId: slot.pathId ?? 0, attributes, nextHop, source, stale };
    }
  }

  #pathIn(slot: Slot): Path | undefined {
    if (slot.pathId === undefined) return this.#environment.rib.get(slot.prefix)?.selected[0];
    return this.#environment.rib.slotsOf(slot.prefix, "all").find((other) => other === slot)?.path;
  }

  #export(path: Path | undefined): Bucket | undefined {
    if (path === undefined) return undefined;
    const { source } = path;
    if (source.kind === "peer" && this.#environment.learnedHeld()) return undefined;
    const interfaceName = path instanceof ReceivedPath ? path.tracked?.interface : undefined;
    const result = this.rules.apply(path, interfaceName);
    if (!result.announced) {
      if (result.byPolicy === true) this.#environment.onRefused?.(path, result.reason);
      return undefined;
    }
    const mayBeMember = source.kind === "peer" && source.type === this.rules.profile.context.peerType;
    return this.#buckets.take(result.attributes, result.nextHop, mayBeMember ? source.peer : undefined);
  }

  #read(limit: number): void {
    for (let count = 0; count < limit && this.#unread !== undefined; count++) {
      const { value, done } = this.#unread.next();
      if (done === true) this.#unread = undefined;
      else this.apply(value);
    }
  }

  #mayFlush(lane: Lane): boolean {
    return lane.blocked.size === 0 && !(lane.transferred && this.#unread !== undefined);
  }

  #flush(lane: Lane, limit: number): void {
    if (!this.#mayFlush(lane)) return;
    if (lane.pending.size > 0) this.#sendPending(lane, limit);
    if (lane.blocked.size === 0 && lane.pending.size === 0) this.#sendEndOfRib(lane);
    if (lane.blocked.size === 0 && lane.pending.size === 0) this.#sendEndOfRefresh(lane);
    if (lane.blocked.size > 0 && lane.blocked.size < lane.members.size) this.#track(lane.split([...lane.blocked]));
  }

  #sendPending(lane: Lane, limit: number): void {
    lane.fresh = false;
    const batch = new UpdateBatch(this.rules.profile.context);
    let count = 0;
    for (const [slot, told] of lane.pending) {
      if (count++ === limit) break;
      lane.pending.delete(slot);
      const wanted = this.#out.get(slot);
      if (wanted === undefined) {
        if (told !== undefined) batch.withdraw(slot);
        continue;
      }
      if (!lane.resend && bucketsEqual(told, wanted)) continue;
      batch.announce(slot, wanted);
      if (told === undefined || told.excludedKeys === wanted.excludedKeys) continue;
      for (const member of lane.members)
        if (isExcluded(wanted, member) && !isExcluded(told, member)) batch.withdrawFrom(member, slot);
    }
    const blocked = batch.send(lane.members, this.#environment.onUnencodable);
    for (const member of blocked) lane.blocked.add(member);
  }

  /** RFC 4724 §2: also with nothing to announce, and behind what was announced. */
  #sendEndOfRib(lane: Lane): void {
    if (lane.endOfRibDue.size === 0 || this.#unread !== undefined || this.#environment.learnedHeld()) return;
    lane.fresh = false;
    const markers = this.rules.profile.context.families.map(encodeEndOfRib);
    for (const member of lane.endOfRibDue)
      for (const marker of markers) if (!member.send(marker)) lane.blocked.add(member);
    lane.endOfRibDue.clear();
  }

  #sendEndOfRefresh(lane: Lane): void {
    if (lane.refreshing.size === 0 || this.#unread !== undefined) return;
    for (const family of lane.refreshing)
      for (const member of lane.members)
        if (!member.send(demarcation(family, RefreshSubtype.end))) lane.blocked.add(member);
    lane.refreshing.clear();
  }

  /** Lanes with nothing pending know the same and become one. */
  #merge(): void {
    const settled = [...this.#lanes].filter(
      ({ pending, blocked, refreshing, fresh }) =>
        pending.size === 0 && blocked.size === 0 && refreshing.size === 0 && !fresh,
    );
    const [first, second] = settled;
    if (first === undefined || (second === undefined && !first.resend)) return;
    const main = settled.find(({ resend }) => !resend) ?? this.#track(new Lane([], new Map()));
    for (const lane of settled) {
      if (lane === main) continue;
      main.absorb(lane);
      for (const member of lane.members) this.#laneOf.set(member, main);
      this.#forget(lane);
    }
  }

  /** After a member left or can be written to: drop an empty lane, or let those who can go on without the others. */
  #settleLane(lane: Lane): void {
    if (lane.members.size === 0) this.#forget(lane);
    if (lane.blocked.size === 0) this.#stopWaiting(lane);
    if (lane.blocked.size === 0 || lane.blocked.size === lane.members.size || this.#laggardTimers.has(lane)) return;
    const goOn = () => {
      this.#laggardTimers.delete(lane);
      if (lane.blocked.size === 0 || lane.blocked.size === lane.members.size) return;
      this.#track(lane.split([...lane.blocked]));
      this.#environment.wake();
    };
    this.#laggardTimers.set(lane, this.#environment.clock.setTimer(laggardGraceMs, goOn));
  }

  #enter(member: GroupMember, lane: Lane): void {
    lane.members.add(member);
    this.#laneOf.set(member, lane);
    this.#environment.wake();
  }

  #track(lane: Lane): Lane {
    this.#lanes.add(lane);
    for (const member of lane.members) this.#laneOf.set(member, lane);
    return lane;
  }

  #forget(lane: Lane): void {
    this.#lanes.delete(lane);
    this.#stopWaiting(lane);
  }

  #stopWaiting(lane: Lane): void {
    this.#laggardTimers.get(lane)?.cancel();
    this.#laggardTimers.delete(lane);
  }
}

/** BoRR or EoRR (RFC 7313 §3.2). */
function demarcation(family: Family, subtype: number): Uint8Array {
  return encodeRouteRefresh({ ...afiSafiOf(family), subtype });
}
