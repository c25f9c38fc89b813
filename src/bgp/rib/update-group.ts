import type { Clock, Timer } from "../../core/clock.ts";
import type { Prefix } from "../../net/prefix.ts";
import { RefreshSubtype } from "../packet/constants.ts";
import type { BgpPacketError } from "../packet/errors.ts";
import type { Family } from "../packet/family.ts";
import { encodeDemarcation } from "../packet/route-refresh.ts";
import { encodeEndOfRib } from "../packet/update-encode.ts";
import type { Path } from "../paths.ts";
import { AdjRibOut } from "./adj-rib-out.ts";
import { BatchSpacing } from "./batch-spacing.ts";
import { type BucketTable, noBucket, type Recipient } from "./bucket.ts";
import type { ExportRules } from "./export-rules.ts";
import { GroupExport } from "./group-export.ts";
import { type GroupMember, Lane, type Transfer } from "./lane.ts";
import { LaneSender } from "./lane-sender.ts";
import type { Slot } from "./path-slots.ts";
import type { Rib } from "./rib.ts";
import type { RibViews } from "./rib-views.ts";
import type { SlotChanges } from "./slot-changes.ts";
import { TableWalk } from "./table-walk.ts";
import type { UpdateBatch } from "./update-batch.ts";

/** How long members that can be written to wait for the others of their lane before they go on without them. */
const laggardGraceMs = 100;

/** What a group needs from the speaker. */
export interface GroupEnvironment {
  readonly rib: Rib;
  readonly views: RibViews;
  readonly clock: Clock;
  /** There is something to do: call `work` in the next turn of the event loop. */
  readonly wake: () => void;
  /** How far apart small batches go to the same peers, at least; the first after a rest goes at once. */
  readonly spacingMs: number;
  /** While true only routes of our own go out and no End-of-RIB (RFC 4724 §4.1). */
  readonly learnedHeld: () => boolean;
  /** Routes were withdrawn because no message can carry them. */
  readonly onUnencodable: (prefixes: readonly Prefix[], error: BgpPacketError) => void;
  /** A policy keeps a route from a group's peers. */
  readonly onRefused?: ((path: number, reason: string) => void) | undefined;
}

/** What all groups use, one after the other. */
export interface GroupShared {
  readonly buckets: BucketTable;
  readonly batch: UpdateBatch;
  readonly changes: SlotChanges;
}

/**
 * Peers that are told the same: export policy runs and UPDATEs are encoded once, however many members there are. `#out` is
 * the Adj-RIB-Out that all of them are to have in the end; lanes know how far each one is.
 */
export class UpdateGroup {
  readonly rules: ExportRules;
  readonly #environment: GroupEnvironment;
  readonly #shared: GroupShared;
  readonly #buckets: BucketTable;
  readonly #out: AdjRibOut;
  readonly #sender: LaneSender;
  readonly #export: GroupExport;
  readonly #spacing: BatchSpacing;
  /** The places of prefixes in `#out`, where each has several. */
  readonly #slots = new Map<number, readonly Slot[]>();
  readonly #lanes = new Set<Lane>();
  readonly #laneOf = new Map<GroupMember, Lane>();
  readonly #laggardTimers = new Map<Lane, Timer>();
  /** Families that members have asked for again since the last turn: a flood of requests costs one look at the table per turn. */
  readonly #asked = new Map<GroupMember, Set<Family>>();
  /** Where the part of the Loc-RIB begins that is not yet in `#out`. */
  #unread: number | undefined;

  constructor(rules: ExportRules, environment: GroupEnvironment, shared: GroupShared) {
    const { buckets, batch } = shared;
    this.rules = rules;
    this.#environment = environment;
    this.#shared = shared;
    this.#buckets = buckets;
    this.#out = new AdjRibOut(buckets);
    const { onUnencodable } = environment;
    this.#sender = new LaneSender(this.#out, buckets, rules.profile.context, { batch, onUnencodable });
    this.#spacing = new BatchSpacing(environment);
    this.#export = new GroupExport(rules, environment, buckets);
    this.reload();
  }

  get size(): number {
    return this.#laneOf.size;
  }

  /** Runs the whole Loc-RIB through the rules again, in slices. */
  reload(): void {
    this.#unread = 0;
    this.#environment.wake();
  }

  /** The last member has left: gives back what the group holds. */
  close(): void {
    for (const lane of this.#lanes) this.#forget(lane);
    this.#spacing.stop();
    this.#out.clear();
  }

  /** True if some family has more than one path per prefix: then changes of paths that are not the best matter, too. */
  get addsPaths(): boolean {
    return this.rules.profile.context.addPathSend.length > 0;
  }

  /** The Loc-RIB's choice for these prefixes changed, or with several paths anything about them. */
  apply(prefixes: ArrayLike<number>): void {
    this.#export.begin();
    if (this.addsPaths) for (let index = 0; index < prefixes.length; index++) this.#apply(prefixes[index] ?? 0);
    else for (let index = 0; index < prefixes.length; index++) this.#applyBest(prefixes[index] ?? 0);
    this.#noteChanges();
  }

  #apply(prefix: number): void {
    const limit = this.#pathLimit(prefix);
    if (limit === undefined) this.#applyBest(prefix);
    else this.#applyPaths(prefix, limit);
  }

  #applyBest(prefix: number): void {
    this.#put(prefix, this.#export.bucketOf(prefix, this.#environment.rib.choices.bestOf(prefix)));
  }

  #pathLimit(prefix: number): "all" | number | undefined {
    const { context, addPathLimits } = this.rules.profile;
    const family = this.#environment.rib.prefixes.familyOf(prefix);
    return context.addPathSend.includes(family) ? (addPathLimits[family] ?? "all") : undefined;
  }

  #applyPaths(prefix: number, limit: "all" | number): void {
    const { rib } = this.#environment;
    const wanted = new Map<Slot, number>();
    for (const slot of rib.slotsOf(prefix, limit)) {
      const bucket = this.#export.bucketOf(prefix, rib.slots.pathOf(slot));
      if (bucket !== noBucket) wanted.set(slot, bucket);
    }
    // The new ones first, so that those who are told in several turns are not left without any in between.
    const known = this.#slots.get(prefix) ?? [];
    for (const [slot, bucket] of wanted) this.#put(slot, bucket);
    for (const slot of known) if (!wanted.has(slot)) this.#put(slot, noBucket);
    if (wanted.size === 0) this.#slots.delete(prefix);
    else this.#slots.set(prefix, [...wanted.keys()]);
  }

  /** Takes over the hold of `wanted`. */
  #put(slot: Slot, wanted: number): void {
    const old = this.#out.replace(slot, wanted);
    if (old === wanted) this.#buckets.release(old);
    else this.#shared.changes.add(slot, old);
  }

  #noteChanges(): void {
    const { changes } = this.#shared;
    for (const lane of this.#lanes) lane.note(changes);
    changes.clear(this.#buckets);
  }

  /** A new session: gets the whole Adj-RIB-Out and an End-of-RIB per family. */
  join(member: GroupMember): void {
    let lane: Lane | undefined;
    for (const one of this.#lanes) if (one.fresh) lane = one;
    if (lane === undefined) {
      const walk = this.#out.size === 0 ? undefined : new TableWalk(undefined);
      lane = this.#track(new Lane(this.#buckets, [], walk, { fresh: true }));
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
      const told = lane.told(this.#out);
      const endOfRibDue = new Set([...lane.endOfRibDue].filter((member) => leaving.has(member)));
      transfers.push({ members: leaving, endOfRibDue, told, refreshing: lane.refreshing });
      for (const member of leaving) this.leave(member);
    }
    return transfers;
  }

  /** Members of another group join; they are told only what differs from what they know. */
  adopt({ members, endOfRibDue, told, refreshing }: Transfer): void {
    const lane = this.#track(new Lane(this.#buckets, [], new TableWalk(told), { transferred: true }));
    for (const member of members) this.#enter(member, lane);
    for (const member of endOfRibDue) lane.endOfRibDue.add(member);
    for (const family of refreshing) for (const member of members) this.refresh(member, family);
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
    own.repeat(family, this.#out);
    if (!member.demarcatesRefresh || own.endOfRibDue.has(member) || own.refreshing.has(family)) return;
    own.refreshing.add(family);
    if (!member.send(encodeDemarcation(family, RefreshSubtype.begin), 0)) own.block(member);
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
    if (this.#isAtRest) return false;
    this.#answerRequests();
    this.#read(limit);
    for (const lane of [...this.#lanes]) this.#flush(lane, limit);
    this.#merge();
    return this.#unread !== undefined || [...this.#lanes].some((lane) => !lane.isUpToDate && this.#mayFlush(lane));
  }

  /** Nearly always, for nearly all groups. */
  get #isAtRest(): boolean {
    if (this.#unread !== undefined || this.#asked.size > 0 || this.#lanes.size > 1) return false;
    for (const lane of this.#lanes) if (!lane.isAtRest) return false;
    return true;
  }

  /** True if no member has anything to wait for, so that nobody holds a row that is gone. */
  get idle(): boolean {
    if (this.#unread !== undefined || this.#asked.size > 0) return false;
    for (const lane of this.#lanes) if (!lane.isUpToDate) return false;
    return true;
  }

  countFor(recipient: Recipient): number {
    return this.#out.countFor(recipient);
  }

  /** The Adj-RIB-Out of one member. */
  pathsFor(recipient: Recipient): IterableIterator<Path> {
    return this.#environment.views.advertised(this.#out, this.#buckets, recipient);
  }

  #read(limit: number): void {
    if (this.#unread === undefined) return;
    const { prefixes } = this.#environment.rib;
    this.#export.begin();
    const end = Math.min(this.#unread + limit, prefixes.end);
    for (let row = this.#unread; row < end; row++) if (prefixes.isUsed(row)) this.#apply(row);
    this.#noteChanges();
    this.#unread = end < prefixes.end ? end : undefined;
  }

  #mayFlush(lane: Lane): boolean {
    return lane.blocked.size === 0 && !(lane.transferred && this.#unread !== undefined) && !this.#spacing.holds(lane);
  }

  #flush(lane: Lane, limit: number): void {
    if (!this.#mayFlush(lane)) return;
    if (!lane.isUpToDate) {
      lane.fresh = false;
      this.#spacing.noteSent(lane);
      this.#sender.send(lane, limit);
    }
    if (lane.blocked.size === 0 && lane.isUpToDate) this.#sendEndOfRib(lane);
    if (lane.blocked.size === 0 && lane.isUpToDate) this.#sendEndOfRefresh(lane);
    if (lane.blocked.size > 0 && lane.blocked.size < lane.members.size) this.#track(lane.split([...lane.blocked]));
  }

  /** RFC 4724 §2: also with nothing to announce, and behind what was announced. */
  #sendEndOfRib(lane: Lane): void {
    if (lane.endOfRibDue.size === 0 || this.#unread !== undefined || this.#environment.learnedHeld()) return;
    lane.fresh = false;
    const markers = this.rules.profile.context.families.map(encodeEndOfRib);
    for (const member of lane.endOfRibDue)
      for (const marker of markers) if (!member.send(marker, 1)) lane.block(member);
    lane.endOfRibDue.clear();
  }

  #sendEndOfRefresh(lane: Lane): void {
    if (lane.refreshing.size === 0 || this.#unread !== undefined) return;
    for (const family of lane.refreshing)
      for (const member of lane.members)
        if (!member.send(encodeDemarcation(family, RefreshSubtype.end), 0)) lane.block(member);
    lane.refreshing.clear();
  }

  /** Lanes with nothing pending know the same and become one. */
  #merge(): void {
    let main: Lane | undefined;
    for (const lane of this.#lanes) {
      if (!lane.isUpToDate || lane.blocked.size > 0 || lane.refreshing.size > 0 || lane.fresh) continue;
      if (main === undefined) {
        main = lane;
        continue;
      }
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
    lane.clear();
    this.#stopWaiting(lane);
  }

  #stopWaiting(lane: Lane): void {
    this.#laggardTimers.get(lane)?.cancel();
    this.#laggardTimers.delete(lane);
  }
}
