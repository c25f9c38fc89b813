import { headerLength, MessageType } from "../packet/constants.ts";
import { afiSafiOf, type Family } from "../packet/family.ts";
import type { CodecContext, NextHop } from "../packet/message.ts";
import type { AttributeTable } from "./attribute-table.ts";
import { copiedInto } from "./columns.ts";
import { isPathSlot, type PathSlots } from "./path-slots.ts";
import type { PrefixRows } from "./prefix-rows.ts";

/** Header and the two length fields of an UPDATE. */
const updateOverhead = headerLength + 4;
const markerLength = 16;
/** Flags, code and two-octet length of MP_REACH_NLRI and MP_UNREACH_NLRI. */
const attributeOverhead = 4;
/** The NEXT_HOP attribute. */
const nextHopLength = 7;
/** Memory is taken in pieces of this size, and not for a batch of which less than `wantedRoom` would be left. */
const slabSize = 256 * 1024;
const wantedRoom = 128 * 1024;
/** Runs below this are copied, so that a few octets that wait for a slow peer do not keep a slab. */
const smallRun = 4096;
const longestIpv4Nlri = 5;

const plainContext: CodecContext = {
  peerType: "ebgp",
  fourOctetAs: true,
  maxMessageLength: 4096,
  families: [],
  addPathReceive: [],
  addPathSend: [],
};

/** Where prefixes and attributes are. */
interface WriterTables {
  readonly prefixes: PrefixRows;
  readonly attributes: AttributeTable;
  readonly slots: PathSlots;
}

/**
 * Whole UPDATEs, one behind the other in one run of octets, written from rows and the octets of attributes: the same octets that
 * `encodeUpdates` makes of the objects.
 */
export class UpdateWriter {
  readonly #tables: WriterTables;
  #context = plainContext;
  #octets = new Uint8Array(0);
  /** Where the run begins; what is before was given away. */
  #start = 0;
  #at = 0;

  constructor(tables: WriterTables) {
    this.#tables = tables;
  }

  /** Octets of the run so far. */
  get length(): number {
    return this.#at - this.#start;
  }

  /** Begins a new run for peers of this kind. */
  begin(context: CodecContext): void {
    this.#context = context;
    this.#at = this.#start;
    if (this.#octets.length - this.#start >= wantedRoom) return;
    this.#octets = new Uint8Array(slabSize);
    this.#start = 0;
    this.#at = 0;
  }

  /** The run, which nobody changes any more; another one begins behind it. */
  finish(): Uint8Array {
    const { length } = this;
    if (length < smallRun) {
      const copy = this.#octets.slice(this.#start, this.#at);
      this.#at = this.#start;
      return copy;
    }
    const run = this.#octets.subarray(this.#start, this.#at);
    this.#start = this.#at;
    return run;
  }

  /** Forgets what was written of the run behind `length`. */
  cut(length: number): void {
    this.#at = this.#start + length;
  }

  /** Appends whole messages. */
  append(messages: readonly Uint8Array[]): void {
    for (const message of messages) {
      this.#reserve(message.length);
      this.#octets.set(message, this.#at);
      this.#at += message.length;
    }
  }

  /** Withdraws the places of one family that `slots` has from `start` to `end`. */
  withdraw(family: Family, slots: Int32Array, start: number, end: number): void {
    for (let from = start; from < end; )
      from = family === "ipv4-unicast" ? this.#withdrawIpv4(slots, from, end) : this.#unreach(family, slots, from, end);
  }

  /**
   * Announces places of one family with these attributes. False, and nothing written, if that cannot be done from the octets of the
   * attributes: for peers with AS numbers of two octets, and where no message can hold it.
   */
  announce(
    family: Family,
    slots: Int32Array,
    start: number,
    end: number,
    attributes: number,
    nextHop: NextHop,
  ): boolean {
    const isClassic = family === "ipv4-unicast" && nextHop.address.family === 4;
    const length = this.#tables.attributes.lengthOf(attributes);
    if (!this.#context.fourOctetAs || length === 0 || !this.#fits(family, nextHop)) return false;
    const { length: before } = this;
    for (let from = start; from < end; ) {
      const to = isClassic
        ? this.#announceIpv4(slots, from, end, attributes, nextHop)
        : this.#reach(family, slots, from, end, attributes, nextHop);
      if (to === from) {
        this.cut(before);
        return false;
      }
      from = to;
    }
    return true;
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

  #announceIpv4(slots: Int32Array, from: number, end: number, attributes: number, nextHop: NextHop): number {
    const start = this.#beginMessage();
    const length = this.#tables.attributes.lengthOf(attributes);
    const limit = start + this.#context.maxMessageLength;
    if (this.#at + 4 + length + nextHopLength > limit) {
      this.#at = start;
      return from;
    }
    this.#u16(0);
    this.#u16(length + nextHopLength);
    this.#withNextHop(attributes, nextHop);
    const to = this.#ipv4Nlri(slots, from, end, limit);
    if (to === from) this.#at = start;
    else this.#endMessage(start);
    return to;
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

  #reach(family: Family, slots: Int32Array, from: number, end: number, attributes: number, nextHop: NextHop): number {
    const { address, linkLocal } = nextHop;
    const attributesLength = this.#tables.attributes.lengthOf(attributes);
    const hopLength = address.family === 4 ? 4 : linkLocal === undefined ? 16 : 32;
    const head = attributeOverhead + 5 + hopLength;
    const budget = this.#context.maxMessageLength - updateOverhead - attributesLength - head;
    const { to, length } = this.#fit(family, slots, from, end, budget);
    if (to === from) return from;
    const start = this.#beginMessage();
    const value = 5 + hopLength + length;
    this.#u16(0);
    this.#u16(attributeHead(value) + value + attributesLength);
    this.#routesAttribute(14, family, value);
    this.#octets[this.#at++] = hopLength;
    this.#bytes(address.toBytes());
    if (linkLocal !== undefined) this.#bytes(linkLocal.toBytes());
    this.#octets[this.#at++] = 0;
    this.#nlri(family, slots, from, to);
    this.#copy(attributes, 0, attributesLength);
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

  /** ORIGIN and AS_PATH, then NEXT_HOP, then the rest. */
  #withNextHop(attributes: number, { address }: NextHop): void {
    const length = this.#tables.attributes.lengthOf(attributes);
    const split = this.#tables.attributes.endOfAsPath(attributes);
    this.#copy(attributes, 0, split);
    this.#octets[this.#at++] = 0x40;
    this.#octets[this.#at++] = 3;
    this.#octets[this.#at++] = 4;
    this.#u32(address.w0);
    this.#copy(attributes, split, length);
  }

  #copy(attributes: number, start: number, end: number): void {
    const chunk = this.#tables.attributes.chunkOf(attributes);
    const offset = this.#tables.attributes.offsetOf(attributes);
    for (let index = start; index < end; index++) this.#octets[this.#at++] = chunk[offset + index] ?? 0;
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
  }

  #reserve(octets: number): void {
    if (this.#at + octets <= this.#octets.length) return;
    const { length } = this;
    const run = this.#octets.subarray(this.#start, this.#at);
    this.#octets = copiedInto(new Uint8Array(Math.max(slabSize, (length + octets) * 2)), run);
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
