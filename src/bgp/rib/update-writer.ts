import { headerLength, MessageType } from "../packet/constants.ts";
import { afiSafiOf, type Family } from "../packet/family.ts";
import type { CodecContext, NextHop } from "../packet/message.ts";
import type { AttributeTable } from "./attribute-table.ts";
import { copiedInto } from "./columns.ts";
import type { PathSlots, Slot } from "./path-slots.ts";
import type { PrefixRows } from "./prefix-rows.ts";

/** Header and the two length fields of an UPDATE. */
const updateOverhead = headerLength + 4;
/** Flags, code and two-octet length of MP_REACH_NLRI and MP_UNREACH_NLRI. */
const attributeOverhead = 4;
/** The NEXT_HOP attribute. */
const nextHopLength = 7;
const firstCapacity = 4 * 1024;
/** Room that a writer keeps from one batch to the next. */
const largestIdle = 1024 * 1024;

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
  #octets = new Uint8Array(firstCapacity);
  #at = 0;

  constructor(tables: WriterTables) {
    this.#tables = tables;
  }

  get length(): number {
    return this.#at;
  }

  /** A copy of what was written from `start` to `end`. */
  copy(start: number, end: number): Uint8Array {
    return this.#octets.slice(start, end);
  }

  /** Copies what was written from `start` to `end` to a place in `into`; where to go on. */
  copyInto(into: Uint8Array, at: number, start: number, end: number): number {
    into.set(this.#octets.subarray(start, end), at);
    return at + end - start;
  }

  /** Forgets everything, and begins anew in the same memory for peers of another kind. */
  begin(context: CodecContext): void {
    this.#context = context;
    this.#at = 0;
    if (this.#octets.length > largestIdle) this.#octets = new Uint8Array(firstCapacity);
  }

  /** Forgets what was written behind `length`. */
  cut(length: number): void {
    this.#at = length;
  }

  /** Appends whole messages. */
  append(messages: readonly Uint8Array[]): void {
    for (const message of messages) {
      this.#reserve(message.length);
      this.#octets.set(message, this.#at);
      this.#at += message.length;
    }
  }

  /** Withdraws places of one family. */
  withdraw(family: Family, slots: readonly Slot[]): void {
    const isClassic = family === "ipv4-unicast";
    const budget = this.#context.maxMessageLength - updateOverhead - (isClassic ? 0 : attributeOverhead + 3);
    for (let from = 0; from < slots.length; ) {
      const { count, length } = this.#fit(family, slots, from, budget);
      if (isClassic) {
        this.#beginMessage(updateOverhead + length);
        this.#u16(length);
        this.#nlri(family, slots, from, count);
        this.#u16(0);
      } else {
        const value = 3 + length;
        this.#beginMessage(updateOverhead + attributeHead(value) + value);
        this.#u16(0);
        this.#u16(attributeHead(value) + value);
        this.#routesAttribute(15, family, value);
        this.#nlri(family, slots, from, count);
      }
      from += count;
    }
  }

  /**
   * Announces places of one family with these attributes. False, and nothing written, if that cannot be done from the octets of the
   * attributes: for peers with AS numbers of two octets, and where no message can hold it.
   */
  announce(family: Family, slots: readonly Slot[], attributes: number, nextHop: NextHop): boolean {
    const { address, linkLocal } = nextHop;
    const attributesLength = this.#tables.attributes.lengthOf(attributes);
    const isClassic = family === "ipv4-unicast" && address.family === 4;
    if (!this.#context.fourOctetAs || attributesLength === 0 || !this.#fits(family, nextHop)) return false;
    const hopLength = address.family === 4 ? 4 : linkLocal === undefined ? 16 : 32;
    const head = isClassic ? nextHopLength : attributeOverhead + 5 + hopLength;
    const budget = this.#context.maxMessageLength - updateOverhead - attributesLength - head;
    const start = this.#at;
    for (let from = 0; from < slots.length; ) {
      const { count, length } = this.#fit(family, slots, from, budget);
      if (count === 0) {
        this.#at = start;
        return false;
      }
      if (isClassic) {
        this.#beginMessage(updateOverhead + attributesLength + nextHopLength + length);
        this.#u16(0);
        this.#u16(attributesLength + nextHopLength);
        this.#withNextHop(attributes, nextHop);
        this.#nlri(family, slots, from, count);
      } else {
        const value = 5 + hopLength + length;
        const total = attributeHead(value) + value + attributesLength;
        this.#beginMessage(updateOverhead + total);
        this.#u16(0);
        this.#u16(total);
        this.#routesAttribute(14, family, value);
        this.#octets[this.#at++] = hopLength;
        this.#bytes(address.toBytes());
        if (linkLocal !== undefined) this.#bytes(linkLocal.toBytes());
        this.#octets[this.#at++] = 0;
        this.#nlri(family, slots, from, count);
        this.#copy(attributes, 0, attributesLength);
      }
      from += count;
    }
    return true;
  }

  /** What `encodeUpdates` would refuse is left to it. */
  #fits(family: Family, { address, linkLocal }: NextHop): boolean {
    const { families, ipv4OverIpv6 } = this.#context;
    if (!families.includes(family) || linkLocal?.family === 4) return false;
    if (address.family === 4) return family === "ipv4-unicast" && linkLocal === undefined;
    return family === "ipv6-unicast" || ipv4OverIpv6 === true;
  }

  /** How many places from `from` on fit into `budget` octets of NLRI, and how many octets that are. */
  #fit(family: Family, slots: readonly Slot[], from: number, budget: number): { count: number; length: number } {
    const { prefixes, slots: places } = this.#tables;
    const idLength = this.#context.addPathSend.includes(family) ? 4 : 0;
    let length = 0;
    let index = from;
    for (; index < slots.length; index++) {
      const size = prefixes.nlriLength(places.prefixOf(slots[index] ?? 0)) + idLength;
      if (length + size > budget) break;
      length += size;
    }
    return { count: index - from, length };
  }

  #nlri(family: Family, slots: readonly Slot[], from: number, count: number): void {
    const { prefixes, slots: places } = this.#tables;
    const hasIds = this.#context.addPathSend.includes(family);
    for (let index = from; index < from + count; index++) {
      const slot = slots[index] ?? 0;
      if (hasIds) this.#u32(places.pathIdOf(slot));
      this.#at = prefixes.writeNlri(places.prefixOf(slot), this.#octets, this.#at);
    }
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

  #beginMessage(length: number): void {
    this.#reserve(length);
    this.#octets.fill(0xff, this.#at, this.#at + 16);
    this.#at += 16;
    this.#u16(length);
    this.#octets[this.#at++] = MessageType.update;
  }

  #reserve(octets: number): void {
    const wanted = this.#at + octets;
    if (wanted <= this.#octets.length) return;
    this.#octets = copiedInto(new Uint8Array(Math.max(wanted, this.#octets.length * 2)), this.#octets);
  }

  #bytes(octets: Uint8Array): void {
    this.#octets.set(octets, this.#at);
    this.#at += octets.length;
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
