import type { Prefix } from "../../net/prefix.ts";
import { BgpPacketError } from "../packet/errors.ts";
import { type Family, families } from "../packet/family.ts";
import type { CodecContext } from "../packet/message.ts";
import { encodeUpdates } from "../packet/update-encode.ts";
import type { BucketTable } from "./bucket.ts";
import { ExcludedRanges } from "./excluded-ranges.ts";
import type { GroupMember } from "./lane.ts";
import { isPathSlot, type Slot } from "./path-slots.ts";
import type { Rib } from "./rib.ts";
import { SlotRuns } from "./slot-runs.ts";
import type { UpdateWriter } from "./update-writer.ts";

/** Stands for the bucket of what is withdrawn, where there is only one kind. */
const anyBucket = 0;

interface FamilySlots {
  readonly family: Family;
  readonly slots: Int32Array;
  readonly start: number;
  readonly end: number;
}

/**
 * What a lane's members have to be told next, encoded once in one run of octets. A member gets all of it but the UPDATEs
 * whose routes it must not hear of, as views of the same memory. One batch is used for all lanes, one after the other.
 */
export class UpdateBatch {
  readonly #rib: Rib;
  readonly #buckets: BucketTable;
  readonly #writer: UpdateWriter;
  #context: CodecContext | undefined;
  readonly #withdrawn = new SlotRuns();
  /** Single paths: they go after the announcements, so that a prefix with another path is never without any. */
  readonly #withdrawnPaths = new SlotRuns();
  readonly #announced = new SlotRuns();
  readonly #excluded = new ExcludedRanges();
  /** Withdrawals for single members, which may no longer hear of a route that others keep. */
  readonly #withdrawnFrom = new Map<GroupMember, Slot[]>();

  constructor(rib: Rib, buckets: BucketTable, writer: UpdateWriter) {
    this.#rib = rib;
    this.#buckets = buckets;
    this.#writer = writer;
  }

  /** Forgets everything, and begins anew for peers of this kind. */
  begin(context: CodecContext): void {
    this.#context = context;
    this.#withdrawn.clear();
    this.#withdrawnPaths.clear();
    this.#announced.clear();
    this.#withdrawnFrom.clear();
    this.#writer.begin(context);
  }

  announce(slot: Slot, bucket: number): void {
    this.#announced.add(slot, bucket);
  }

  withdraw(slot: Slot): void {
    if (isPathSlot(slot)) this.#withdrawnPaths.add(slot, anyBucket);
    else this.#withdrawn.add(slot, anyBucket);
  }

  withdrawFrom(member: GroupMember, slot: Slot): void {
    const slots = this.#withdrawnFrom.get(member);
    if (slots === undefined) this.#withdrawnFrom.set(member, [slot]);
    else slots.push(slot);
  }

  isOf(slot: Slot, among: ReadonlySet<Family>): boolean {
    return among.has(this.#familyOf(slot));
  }

  /**
   * Encodes and sends to all `members`; those that asked to stop. Withdrawals go first. Routes that no message can carry
   * are withdrawn instead and handed to `onUnencodable`, since the peers must not keep what they knew before.
   */
  send(
    members: Iterable<GroupMember>,
    onUnencodable: (prefixes: readonly Prefix[], error: BgpPacketError) => void,
  ): GroupMember[] {
    this.#withdrawn.each((_, slots, start, end) => this.#withdraw(slots, start, end));
    this.#withdrawn.clear();
    this.#excluded.begin(this.#writer.length, this.#writer.messages);
    this.#announced.each((bucket, slots, start, end) => {
      const error = this.#announce(bucket, slots, start, end);
      if (error === undefined) {
        const { length, messages } = this.#writer;
        this.#excluded.add(this.#buckets, bucket, length, messages);
      } else {
        const places = slots.subarray(start, end);
        for (const slot of places) this.withdraw(slot);
        onUnencodable(
          Array.from(places, (slot) => this.#prefixOf(slot)),
          error,
        );
      }
    });
    for (const withdrawn of [this.#withdrawn, this.#withdrawnPaths])
      withdrawn.each((_, slots, start, end) => this.#withdraw(slots, start, end));
    const { messages } = this.#writer;
    const run = this.#writer.finish();
    const blocked: GroupMember[] = [];
    for (const member of members) if (!this.#sendTo(member, run, messages)) blocked.push(member);
    return blocked;
  }

  /** False if the member asked to stop. */
  #sendTo(member: GroupMember, run: Uint8Array, updates: number): boolean {
    let mayGoOn = true;
    const own = this.#withdrawnFrom.get(member);
    if (own !== undefined) {
      this.#withdraw(Int32Array.from(own), 0, own.length);
      const { messages } = this.#writer;
      mayGoOn = member.send(this.#writer.finish(), messages);
    }
    this.#excluded.visit(member, run.length, updates, (start, stop, messages) => {
      mayGoOn = member.send(run.subarray(start, stop), messages) && mayGoOn;
    });
    return mayGoOn;
  }

  /** Undefined if it could be done; nothing is written if not. */
  #announce(bucket: number, slots: Int32Array, start: number, end: number): BgpPacketError | undefined {
    const family = this.#commonFamily(slots, start, end);
    if (family !== undefined && this.#writer.announce(family, slots, start, end, bucket)) return undefined;
    const nextHop = this.#buckets.nextHopOf(bucket);
    const announcements = this.#byFamily(slots, start, end).map((list) => ({
      family: list.family,
      nextHop,
      nlri: Array.from(list.slots.subarray(list.start, list.end), (slot) => ({
        prefix: this.#prefixOf(slot),
        pathId: this.#rib.slots.pathIdOf(slot),
      })),
    }));
    const parts = { withdrawals: [], announcements, attributes: this.#buckets.attributesOf(bucket) };
    try {
      if (this.#context !== undefined) this.#writer.append(encodeUpdates(parts, this.#context));
      return undefined;
    } catch (error) {
      if (error instanceof BgpPacketError) return error;
      throw error;
    }
  }

  #withdraw(slots: Int32Array, start: number, end: number): void {
    for (const list of this.#byFamily(slots, start, end))
      this.#writer.withdraw(list.family, list.slots, list.start, list.end);
  }

  #byFamily(slots: Int32Array, start: number, end: number): FamilySlots[] {
    const family = this.#commonFamily(slots, start, end);
    if (family !== undefined) return [{ family, slots, start, end }];
    const part = slots.subarray(start, end);
    return families.map((one) => {
      const own = part.filter((slot) => this.#familyOf(slot) === one);
      return { family: one, slots: own, start: 0, end: own.length };
    });
  }

  /** Undefined for places of several families. */
  #commonFamily(slots: Int32Array, start: number, end: number): Family | undefined {
    const [only, ...others] = this.#context?.families ?? [];
    if (others.length === 0) return only;
    const family = this.#familyOf(slots[start] ?? 0);
    for (let at = start + 1; at < end; at++) if (this.#familyOf(slots[at] ?? 0) !== family) return undefined;
    return family;
  }

  #familyOf(slot: Slot): Family {
    return this.#rib.prefixes.familyOf(isPathSlot(slot) ? this.#rib.slots.prefixOf(slot) : slot);
  }

  #prefixOf(slot: Slot): Prefix {
    return this.#rib.prefixes.prefixOf(this.#rib.slots.prefixOf(slot));
  }
}
