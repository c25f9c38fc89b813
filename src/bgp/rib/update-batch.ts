import type { Prefix } from "../../net/prefix.ts";
import { BgpPacketError } from "../packet/errors.ts";
import { type Family, families } from "../packet/family.ts";
import type { CodecContext, Nlri } from "../packet/message.ts";
import { encodeUpdates } from "../packet/update-encode.ts";
import { familyOfPrefix } from "./adj-rib-in.ts";
import { type Bucket, recipientKeys } from "./bucket.ts";
import type { GroupMember } from "./lane.ts";
import type { Slot } from "./slot.ts";

/** Octets of a batch that some recipients must not get. */
interface Range {
  readonly start: number;
  readonly end: number;
}

/**
 * What a lane's members have to be told next, encoded once in one run of octets. A member gets all of it but the UPDATEs
 * whose routes it must not hear of, as views of the same memory.
 */
export class UpdateBatch {
  readonly #context: CodecContext;
  readonly #withdrawn: Slot[] = [];
  /** Single paths: they go after the announcements, so that a prefix with another path is never without any. */
  readonly #withdrawnPaths: Slot[] = [];
  readonly #announced = new Map<Bucket, Slot[]>();
  /** Withdrawals for single members, which may no longer hear of a route that others keep. */
  readonly #withdrawnFrom = new Map<GroupMember, Slot[]>();

  constructor(context: CodecContext) {
    this.#context = context;
  }

  announce(slot: Slot, bucket: Bucket): void {
    const slots = this.#announced.get(bucket);
    if (slots === undefined) this.#announced.set(bucket, [slot]);
    else slots.push(slot);
  }

  withdraw(slot: Slot): void {
    if (slot.pathId === undefined) this.#withdrawn.push(slot);
    else this.#withdrawnPaths.push(slot);
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
    const announcements: { bucket: Bucket; messages: Uint8Array[] }[] = [];
    for (const [bucket, slots] of this.#announced) {
      const messages = this.#encodeBucket(bucket, slots);
      if (messages instanceof BgpPacketError) {
        for (const slot of slots) this.withdraw(slot);
        onUnencodable(
          slots.map(({ prefix }) => prefix),
          messages,
        );
      } else announcements.push({ bucket, messages });
    }
    const run = new Run();
    run.add(this.#encodeWithdrawals(this.#withdrawn), []);
    for (const { bucket, messages } of announcements) run.add(messages, bucket.excludedKeys);
    run.add(this.#encodeWithdrawals(this.#withdrawnPaths), []);
    const bytes = run.bytes();
    return [...members].filter((member) => {
      let mayGoOn = true;
      for (const message of this.#encodeWithdrawals(this.#withdrawnFrom.get(member) ?? []))
        mayGoOn = member.send(message) && mayGoOn;
      for (const { start, end } of run.rangesFor(recipientKeys(member)))
        mayGoOn = member.send(bytes.subarray(start, end)) && mayGoOn;
      return !mayGoOn;
    });
  }

  #encodeBucket({ attributes, nextHop }: Bucket, slots: readonly Slot[]): Uint8Array[] | BgpPacketError {
    const announcements = byFamily(slots).map(({ family, nlri }) => ({ family, nextHop, nlri }));
    try {
      return encodeUpdates({ withdrawals: [], announcements, attributes }, this.#context);
    } catch (error) {
      if (error instanceof BgpPacketError) return error;
      throw error;
    }
  }

  #encodeWithdrawals(slots: readonly Slot[]): Uint8Array[] {
    if (slots.length === 0) return [];
    return encodeUpdates({ withdrawals: byFamily(slots), announcements: [] }, this.#context);
  }
}

function byFamily(slots: readonly Slot[]): { readonly family: Family; readonly nlri: readonly Nlri[] }[] {
  return families
    .map((family) => ({
      family,
      nlri: slots
        .filter(({ prefix }) => familyOfPrefix(prefix) === family)
        .map(({ prefix, pathId = 0 }) => ({ prefix, pathId })),
    }))
    .filter(({ nlri }) => nlri.length > 0);
}

/** Messages one after another, and which ranges are not for whom. */
class Run {
  readonly #chunks: Uint8Array[] = [];
  readonly #excluded = new Map<string, Range[]>();
  #length = 0;

  add(messages: readonly Uint8Array[], excludedKeys: readonly string[]): void {
    const start = this.#length;
    for (const message of messages) {
      this.#chunks.push(message);
      this.#length += message.length;
    }
    const range = { start, end: this.#length };
    for (const key of excludedKeys) {
      const ranges = this.#excluded.get(key);
      if (ranges === undefined) this.#excluded.set(key, [range]);
      else ranges.push(range);
    }
  }

  bytes(): Uint8Array {
    const [first, second] = this.#chunks;
    if (first !== undefined && second === undefined) return first;
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** What is left for a recipient of these keys: few, large ranges. Excluded ranges are equal or disjoint. */
  rangesFor(keys: readonly string[]): Range[] {
    const gaps = keys.flatMap((key) => this.#excluded.get(key) ?? []).sort((a, b) => a.start - b.start);
    const ranges: Range[] = [];
    let at = 0;
    for (const { start, end } of [...gaps, { start: this.#length, end: this.#length }]) {
      if (start > at) ranges.push({ start: at, end: start });
      at = end;
    }
    return ranges;
  }
}
