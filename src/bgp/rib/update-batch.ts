import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import { BgpPacketError } from "../packet/errors.ts";
import { type Family, families } from "../packet/family.ts";
import type { CodecContext } from "../packet/message.ts";
import { encodeUpdates } from "../packet/update-encode.ts";
import { type BucketTable, noBucket, type Recipient } from "./bucket.ts";
import type { GroupMember } from "./lane.ts";
import { isPathSlot, type Slot } from "./path-slots.ts";
import type { Rib } from "./rib.ts";
import type { UpdateWriter } from "./update-writer.ts";

/** Octets of a batch that some recipients must not get. */
interface Range {
  readonly start: number;
  end: number;
}

/**
 * What a lane's members have to be told next, encoded once in one run of octets. A member gets all of it but the UPDATEs
 * whose routes it must not hear of, as views of the same memory.
 */
export class UpdateBatch {
  readonly #context: CodecContext;
  readonly #rib: Rib;
  readonly #buckets: BucketTable;
  readonly #writer: UpdateWriter;
  readonly #withdrawn: Slot[] = [];
  /** Single paths: they go after the announcements, so that a prefix with another path is never without any. */
  readonly #withdrawnPaths: Slot[] = [];
  readonly #announced = new Map<number, Slot[]>();
  /** The bucket of the last announcement, and its places. */
  #lastBucket = noBucket;
  #lastSlots: Slot[] = [];
  /** Withdrawals for single members, which may no longer hear of a route that others keep. */
  readonly #withdrawnFrom = new Map<GroupMember, Slot[]>();

  constructor(context: CodecContext, rib: Rib, buckets: BucketTable, writer: UpdateWriter) {
    this.#context = context;
    this.#rib = rib;
    this.#buckets = buckets;
    this.#writer = writer;
    writer.begin(context);
  }

  announce(slot: Slot, bucket: number): void {
    if (bucket !== this.#lastBucket) {
      this.#lastBucket = bucket;
      const slots = this.#announced.get(bucket);
      this.#lastSlots = slots ?? [];
      if (slots === undefined) this.#announced.set(bucket, this.#lastSlots);
    }
    this.#lastSlots.push(slot);
  }

  withdraw(slot: Slot): void {
    if (isPathSlot(slot)) this.#withdrawnPaths.push(slot);
    else this.#withdrawn.push(slot);
  }

  withdrawFrom(member: GroupMember, slot: Slot): void {
    const slots = this.#withdrawnFrom.get(member);
    if (slots === undefined) this.#withdrawnFrom.set(member, [slot]);
    else slots.push(slot);
  }

  /**
   * Encodes and sends to all `members`; those that asked to stop. Withdrawals go first. Routes that no message can carry
   * are withdrawn instead and handed to `onUnencodable`, since the peers must not keep what they knew before.
   */
  send(
    members: Iterable<GroupMember>,
    onUnencodable: (prefixes: readonly Prefix[], error: BgpPacketError) => void,
  ): GroupMember[] {
    const excluded = new ExcludedRanges();
    for (const [bucket, slots] of this.#announced) {
      const start = this.#writer.length;
      const error = this.#writeBucket(bucket, slots);
      if (error === undefined) excluded.add(this.#buckets, bucket, start, this.#writer.length);
      else {
        for (const slot of slots) this.withdraw(slot);
        onUnencodable(
          slots.map((slot) => this.#prefixOf(slot)),
          error,
        );
      }
    }
    const announced = this.#writer.length;
    const withdrawn = this.#withdraw(this.#withdrawn);
    const end = this.#withdraw(this.#withdrawnPaths);
    const run = new Uint8Array(end);
    // Withdrawals in front, and those of single paths behind.
    const start = this.#writer.copyInto(run, 0, announced, withdrawn);
    this.#writer.copyInto(run, this.#writer.copyInto(run, start, 0, announced), withdrawn, end);
    const blocked: GroupMember[] = [];
    for (const member of members) {
      let mayGoOn = true;
      const own = this.#withdrawnFrom.get(member);
      if (own !== undefined) {
        const from = this.#writer.length;
        mayGoOn = member.send(this.#writer.copy(from, this.#withdraw(own)));
      }
      for (const range of excluded.rangesFor(member, start, end))
        mayGoOn = member.send(run.subarray(range.start, range.end)) && mayGoOn;
      if (!mayGoOn) blocked.push(member);
    }
    return blocked;
  }

  /** Undefined if it could be done; nothing is written if not. */
  #writeBucket(bucket: number, slots: readonly Slot[]): BgpPacketError | undefined {
    const attributes = this.#buckets.attributesOf(bucket);
    const nextHop = this.#buckets.nextHopOf(bucket);
    const { length } = this.#writer;
    const lists = this.#byFamily(slots);
    if (lists.every((list) => this.#writer.announce(list.family, list.slots, attributes, nextHop))) return undefined;
    this.#writer.cut(length);
    const announcements = lists.map((list) => ({
      family: list.family,
      nextHop,
      nlri: list.slots.map((slot) => ({ prefix: this.#prefixOf(slot), pathId: this.#rib.slots.pathIdOf(slot) })),
    }));
    const parts = { withdrawals: [], announcements, attributes: this.#rib.attributes.get(attributes) };
    try {
      this.#writer.append(encodeUpdates(parts, this.#context));
      return undefined;
    } catch (error) {
      if (error instanceof BgpPacketError) return error;
      throw error;
    }
  }

  /** Where what was written ends then. */
  #withdraw(slots: readonly Slot[]): number {
    for (const list of this.#byFamily(slots)) this.#writer.withdraw(list.family, list.slots);
    return this.#writer.length;
  }

  #byFamily(slots: readonly Slot[]): { readonly family: Family; readonly slots: readonly Slot[] }[] {
    const [first] = slots;
    if (first === undefined) return [];
    const family = this.#familyOf(first);
    if (slots.every((slot) => this.#familyOf(slot) === family)) return [{ family, slots }];
    return families.map((one) => ({ family: one, slots: slots.filter((slot) => this.#familyOf(slot) === one) }));
  }

  #familyOf(slot: Slot): Family {
    return this.#rib.prefixes.familyOf(this.#rib.slots.prefixOf(slot));
  }

  #prefixOf(slot: Slot): Prefix {
    return this.#rib.prefixes.prefixOf(this.#rib.slots.prefixOf(slot));
  }
}

/** Which ranges of a run of octets are not for whom. */
class ExcludedRanges {
  readonly #bySource = new Map<string, Range[]>();
  readonly #byAddress = new Map<string, Range[]>();
  /** Most buckets in a row have the same next hop. */
  #lastAddress: { readonly address: IpAddress; readonly key: string } | undefined;

  add(buckets: BucketTable, bucket: number, start: number, end: number): void {
    const { address } = buckets.nextHopOf(bucket);
    if (this.#lastAddress?.address !== address) this.#lastAddress = { address, key: address.toString() };
    addRange(this.#byAddress, this.#lastAddress.key, start, end);
    const source = buckets.sourceOf(bucket);
    if (source !== undefined) addRange(this.#bySource, source, start, end);
  }

  /**
   * What is left for a recipient of a run of octets that ends at `end`, in which the ranges begin at `offset`: few, large ranges.
   * Excluded ranges may overlap.
   */
  rangesFor({ name, address }: Recipient, offset: number, end: number): Range[] {
    const bySource = this.#bySource.get(name);
    // Where all have one next hop there is no need to make texts.
    const byAddress =
      this.#byAddress.size === 1 && this.#lastAddress?.address.equals(address) === false
        ? undefined
        : this.#byAddress.get(address.toString());
    if (bySource === undefined && byAddress === undefined) return end === 0 ? [] : [{ start: 0, end }];
    const gaps = [...(bySource ?? []), ...(byAddress ?? [])].sort((left, right) => left.start - right.start);
    const ranges: Range[] = [];
    let at = 0;
    for (const gap of gaps) {
      if (gap.start + offset > at) ranges.push({ start: at, end: gap.start + offset });
      at = Math.max(at, gap.end + offset);
    }
    if (end > at) ranges.push({ start: at, end });
    return ranges;
  }
}

function addRange(ranges: Map<string, Range[]>, key: string, start: number, end: number): void {
  const list = ranges.get(key);
  const last = list?.at(-1);
  if (list === undefined) ranges.set(key, [{ start, end }]);
  else if (last?.end === start) last.end = end;
  else list.push({ start, end });
}
