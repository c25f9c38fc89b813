import type { Prefix } from "../../net/prefix.ts";
import { BgpPacketError } from "../packet/errors.ts";
import { type Family, families } from "../packet/family.ts";
import type { CodecContext, Nlri } from "../packet/message.ts";
import { encodeUpdates } from "../packet/update-encode.ts";
import { familyOfPrefix } from "./adj-rib-in.ts";
import { type Bucket, recipientKeys } from "./bucket.ts";
import type { GroupMember } from "./lane.ts";

/** We announce one path per prefix; where ADD-PATH wants an identifier it is always this one (RFC 7911 §3). */
const announcedPathId = 1;

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
  readonly #withdrawn: Prefix[] = [];
  readonly #announced = new Map<Bucket, Prefix[]>();
  /** Withdrawals for single members, which may no longer hear of a route that others keep. */
  readonly #withdrawnFrom = new Map<GroupMember, Prefix[]>();

  constructor(context: CodecContext) {
    this.#context = context;
  }

  announce(prefix: Prefix, bucket: Bucket): void {
    const prefixes = this.#announced.get(bucket);
    if (prefixes === undefined) this.#announced.set(bucket, [prefix]);
    else prefixes.push(prefix);
  }

  withdraw(prefix: Prefix): void {
    this.#withdrawn.push(prefix);
  }

  withdrawFrom(member: GroupMember, prefix: Prefix): void {
    const prefixes = this.#withdrawnFrom.get(member);
    if (prefixes === undefined) this.#withdrawnFrom.set(member, [prefix]);
    else prefixes.push(prefix);
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
    for (const [bucket, prefixes] of this.#announced) {
      const messages = this.#encodeBucket(bucket, prefixes);
      if (messages instanceof BgpPacketError) {
        this.#withdrawn.push(...prefixes);
        onUnencodable(prefixes, messages);
      } else announcements.push({ bucket, messages });
    }
    const run = new Run();
    run.add(this.#encodeWithdrawals(this.#withdrawn), []);
    for (const { bucket, messages } of announcements) run.add(messages, bucket.excludedKeys);
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

  #encodeBucket({ attributes, nextHop }: Bucket, prefixes: readonly Prefix[]): Uint8Array[] | BgpPacketError {
    const announcements = this.#byFamily(prefixes).map(({ family, nlri }) => ({ family, nextHop, nlri }));
    try {
      return encodeUpdates({ withdrawals: [], announcements, attributes }, this.#context);
    } catch (error) {
      if (error instanceof BgpPacketError) return error;
      throw error;
    }
  }

  #encodeWithdrawals(prefixes: readonly Prefix[]): Uint8Array[] {
    if (prefixes.length === 0) return [];
    return encodeUpdates({ withdrawals: this.#byFamily(prefixes), announcements: [] }, this.#context);
  }

  #byFamily(prefixes: readonly Prefix[]): { readonly family: Family; readonly nlri: readonly Nlri[] }[] {
    return families
      .map((family) => {
        const pathId = this.#context.addPathSend.includes(family) ? announcedPathId : 0;
        return {
          family,
          nlri: prefixes.filter((prefix) => familyOfPrefix(prefix) === family).map((prefix) => ({ prefix, pathId })),
        };
      })
      .filter(({ nlri }) => nlri.length > 0);
  }
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
