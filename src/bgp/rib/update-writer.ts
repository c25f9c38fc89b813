import { headerLength, MessageType } from "../packet/constants.ts";
import { afiSafiOf, type Family } from "../packet/family.ts";
import type { CodecContext, NextHop } from "../packet/message.ts";
import type { BucketTable } from "./bucket.ts";
import { copiedInto } from "./columns.ts";
import { largestGrowth } from "./export-form.ts";
import { isPathSlot, type PathSlots } from "./path-slots.ts";
import type { PrefixRows } from "./prefix-rows.ts";

/** Header and the two length fields of an UPDATE. */
const updateOverhead = headerLength + 4;
const markerLength = 16;
/** Flags, code and two-octet length of MP_REACH_NLRI and MP_UNREACH_NLRI. */
const attributeOverhead = 4;
const firstCapacity = 16 * 1024;
/** Room that a writer keeps from one batch to the next. */
const largestIdle = 1024 * 1024;
const longestIpv4Nlri = 5;

const plainContext: CodecContext = {
  peerType: "ebgp",
  fourOctetAs: true,
  maxMessageLength: 4096,
  families: [],
  addPathReceive: [],
  addPathSend: [],
};

/** Where prefixes are. */
interface WriterTables {
  readonly prefixes: PrefixRows;
  readonly slots: PathSlots;
}

/**
 * Whole UPDATEs, one behind the other in one run of octets, written from rows and the octets of attributes: the same octets that
 * `encodeUpdates` makes of the objects.
 */
export class UpdateWriter {
  readonly #tables: WriterTables;
  readonly #buckets: BucketTable;
  #context = plainContext;
  #octets = new Uint8Array(firstCapacity);
  /** Where the run begins, behind others. */
  #start = 0;
  #at = 0;
  #messages = 0;

  constructor(tables: WriterTables, buckets: BucketTable) {
    this.#tables = tables;
    this.#buckets = buckets;
  }

  /** Octets of the run so far. */
  get length(): number {
    return this.#at - this.#start;
  }

  /** Messages of the run so far. */
  get messages(): number {
    return this.#messages;
  }

  /** Forgets all runs, and begins anew in the same memory for peers of this kind. */
  begin(context: CodecContext): void {
    this.#context = context;
    this.#start = 0;
    this.#at = 0;
    this.#messages = 0;
    if (this.#octets.length > largestIdle) this.#octets = new Uint8Array(firstCapacity);
  }

  /** The run, good until `begin`; another one begins behind it. */
  finish(): Uint8Array {
    const run = this.#octets.subarray(this.#start, this.#at);
    this.#start = this.#at;
    this.#messages = 0;
    return run;
  }

  /** Forgets what was written of the run behind so many octets and messages. */
  #cut(length: number, messages: number): void {
    this.#at = this.#start + length;
    this.#messages = messages;
  }

  /** Appends whole messages. */
  append(messages: readonly Uint8Array[]): void {
    for (const message of messages) {
      this.#reserve(message.length);
      this.#octets.set(message, this.#at);
      this.#at += message.length;
      this.#messages++;
    }
  }

  /** Withdraws the places of one family that `slots` has from `start` to `end`. */
  withdraw(family: Family, slots: Int32Array, start: number, end: number): void {
    for (let from = start; from < end; )
      from = family === "ipv4-unicast" ? this.#withdrawIpv4(slots, from, end) : this.#unreach(family, slots, from, end);
  }

  /**
   * Announces the places of one family that `slots` has from `start` to `end`, which are of this bucket. False, and nothing written, if that cannot be done from the octets of the
   * attributes: for peers with AS numbers of two octets, and where no message can hold it.
   */
  announce(family: Family, slots: Int32Array, start: number, end: number, bucket: number): boolean {
    const nextHop = this.#buckets.nextHopOf(bucket);
    const isClassic = family === "ipv4-unicast" && nextHop.address.family === 4;
    if (!this.#context.fourOctetAs || this.#buckets.lengthOf(bucket) === 0 || !this.#fits(family, nextHop))
      return false;
    const { length, messages } = this;
    const isDone = isClassic
      ? this.#announceIpv4(slots, start, end, bucket, nextHop.address.w0)
      : this.#announceOther(family, slots, start, end, bucket, nextHop);
    if (!isDone) this.#cut(length, messages);
    return isDone;
  }

  /** One message with as many places as it can hold; where to go on. */
  #withdrawIpv4(slots: Int32Array, from: number, end: number): number {
    const start = this.#beginMessage();
    this.#at += 2;
    const limit = start + this.#context.maxMessageLength - 2;
    const to = this.#ipv4Nlri(slots, from, end, limit);
    this.#u16At(start + headerLength, this.#at - start - headerLength - 2);
    this.#u16(0);
    this.#endMessage(start);
    return to;
  }

  #announceIpv4(slots: Int32Array, first: number, end: number, bucket: number, nextHop: number): boolean {
    const largest = updateOverhead + this.#buckets.lengthOf(bucket) + largestGrowth;
    this.#reserve(Math.max(largest, this.#context.maxMessageLength));
    // Written into the first message before it is clear whether they leave room for a route, and copied from there.
    const from = this.length + updateOverhead;
    const attributesEnd = this.#buckets.writeAttributes(bucket, nextHop, this.#octets, this.#start + from);
    const length = attributesEnd - this.#start - from;
    for (let index = first; index < end; ) {
      const start = this.#beginMessage();
      const at = start + updateOverhead;
      const limit = start + this.#context.maxMessageLength;
      if (at + length > limit) return false;
      this.#u16(0);
      this.#u16(length);
      if (index > first) this.#octets.copyWithin(at, this.#start + from, this.#start + from + length);
      this.#at = at + length;
      const next = this.#ipv4Nlri(slots, index, end, limit);
      if (next === index) return false;
      this.#endMessage(start);
      index = next;
    }
    return true;
  }

  #announceOther(
    family: Family,
    slots: Int32Array,
    first: number,
    end: number,
    bucket: number,
    nextHop: NextHop,
  ): boolean {
    const room = new Uint8Array(this.#buckets.lengthOf(bucket) + largestGrowth);
    const attributes = room.subarray(0, this.#buckets.writeAttributes(bucket, undefined, room, 0));
    for (let index = first; index < end; ) {
      const next = this.#reach(family, slots, index, end, attributes, nextHop);
      if (next === index) return false;
      index = next;
    }
    return true;
  }

  #unreach(family: Family, slots: Int32Array, from: number, end: number): number {
    const budget = this.#context.maxMessageLength - updateOverhead - attributeOverhead - 3;
    const { to, length } = this.#fit(family, slots, from, end, budget);
    const start = this.#beginMessage();
    const value = 3 + length;
    this.#u16(0);
    this.#u16(attributeHead(value) + value);
    this.#routesAttribute(15, family, value);
    this.#nlri(family, slots, from, to);
    this.#endMessage(start);
    return to;
  }

  #reach(
    family: Family,
    slots: Int32Array,
    from: number,
    end: number,
    attributes: Uint8Array,
    { address, linkLocal }: NextHop,
  ): number {
    const hopLength = address.family === 4 ? 4 : linkLocal === undefined ? 16 : 32;
    const head = attributeOverhead + 5 + hopLength;
    const budget = this.#context.maxMessageLength - updateOverhead - attributes.length - head;
    const { to, length } = this.#fit(family, slots, from, end, budget);
    if (to === from) return from;
    const start = this.#beginMessage();
    const value = 5 + hopLength + length;
    this.#u16(0);
    this.#u16(attributeHead(value) + value + attributes.length);
    this.#routesAttribute(14, family, value);
    this.#octets[this.#at++] = hopLength;
    this.#bytes(address.toBytes());
    if (linkLocal !== undefined) this.#bytes(linkLocal.toBytes());
    this.#octets[this.#at++] = 0;
    this.#nlri(family, slots, from, to);
    this.#bytes(attributes);
    this.#endMessage(start);
    return to;
  }

  /** What `encodeUpdates` would refuse is left to it. */
  #fits(family: Family, { address, linkLocal }: NextHop): boolean {
    const { families, ipv4OverIpv6 } = this.#context;
    if (!families.includes(family) || linkLocal?.family === 4) return false;
    if (address.family === 4) return family === "ipv4-unicast" && linkLocal === undefined;
    return family === "ipv6-unicast" || ipv4OverIpv6 === true;
  }

  /** Where the places end that fit into `budget` octets of NLRI, and how many octets they are. */
  #fit(family: Family, slots: Int32Array, from: number, end: number, budget: number): { to: number; length: number } {
    const { prefixes, slots: places } = this.#tables;
    const idLength = this.#context.addPathSend.includes(family) ? 4 : 0;
    let length = 0;
    let to = from;
    for (; to < end; to++) {
      const size = prefixes.nlriLength(places.prefixOf(slots[to] ?? 0)) + idLength;
      if (length + size > budget) break;
      length += size;
    }
    return { to, length };
  }

  #nlri(family: Family, slots: Int32Array, from: number, to: number): void {
    const { prefixes, slots: places } = this.#tables;
    const hasIds = this.#context.addPathSend.includes(family);
    for (let index = from; index < to; index++) {
      const slot = slots[index] ?? 0;
      if (hasIds) this.#u32(places.pathIdOf(slot));
      this.#at = prefixes.writeNlri(places.prefixOf(slot), this.#octets, this.#at);
    }
  }

  /** Writes places as long as they end before `limit`; where to go on. */
  #ipv4Nlri(slots: Int32Array, from: number, end: number, limit: number): number {
    const { prefixes, slots: places } = this.#tables;
    const octets = this.#octets;
    const hasIds = this.#context.addPathSend.includes("ipv4-unicast");
    const idLength = hasIds ? 4 : 0;
    const surely = limit - longestIpv4Nlri - idLength;
    let at = this.#at;
    let index = from;
    for (; index < end; index++) {
      const slot = slots[index] ?? 0;
      const prefix = isPathSlot(slot) ? places.prefixOf(slot) : slot;
      if (at > surely && at + idLength + prefixes.nlriLength(prefix) > limit) break;
      if (hasIds) {
        this.#at = at;
        this.#u32(places.pathIdOf(slot));
        at += 4;
      }
      at = prefixes.writeNlri(prefix, octets, at);
    }
    this.#at = at;
    return index;
  }

  #routesAttribute(code: 14 | 15, family: Family, length: number): void {
    const { afi, safi } = afiSafiOf(family);
    const isLong = length > 255;
    this.#octets[this.#at++] = isLong ? 0x90 : 0x80;
    this.#octets[this.#at++] = code;
    if (isLong) this.#u16(length);
    else this.#octets[this.#at++] = length;
    this.#u16(afi);
    this.#octets[this.#at++] = safi;
  }

  /** Leaves room for the header of a message as long as one may be; where it begins. */
  #beginMessage(): number {
    this.#reserve(this.#context.maxMessageLength);
    const start = this.#at;
    this.#at += headerLength;
    return start;
  }

  #endMessage(start: number): void {
    const octets = this.#octets;
    for (let at = start; at < start + markerLength; at++) octets[at] = 0xff;
    this.#u16At(start + markerLength, this.#at - start);
    octets[start + markerLength + 2] = MessageType.update;
    this.#messages++;
  }

  /** Earlier runs stay where they are. */
  #reserve(octets: number): void {
    if (this.#at + octets <= this.#octets.length) return;
    const { length } = this;
    const run = this.#octets.subarray(this.#start, this.#at);
    this.#octets = copiedInto(new Uint8Array(Math.max(this.#octets.length, length + octets) * 2), run);
    this.#start = 0;
    this.#at = length;
  }

  #bytes(octets: Uint8Array): void {
    this.#octets.set(octets, this.#at);
    this.#at += octets.length;
  }

  #u16At(at: number, value: number): void {
    this.#octets[at] = value >>> 8;
    this.#octets[at + 1] = value;
  }

  #u16(value: number): void {
    this.#octets[this.#at++] = value >>> 8;
    this.#octets[this.#at++] = value;
  }

  #u32(value: number): void {
    this.#u16(value >>> 16);
    this.#u16(value);
  }
}

/** Flags, code and length. */
function attributeHead(length: number): number {
  return length > 255 ? 4 : 3;
}
