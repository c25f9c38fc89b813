import { asPathsEqual } from "../as-path.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import { BgpPacketError } from "../packet/errors.ts";
import { decodeSharedAttributes, encodeSharedAttributes } from "../packet/shared-attributes.ts";
import { type AttributeSummary, summarizeObject, summarizeOctets, Trait, word } from "./attribute-summary.ts";
import { copiedInto, grownCapacity } from "./columns.ts";
import { HashIndex } from "./hash-index.ts";
import { OctetChunks } from "./octet-chunks.ts";

/** How many are given up at a time. */
const sweepSize = 256;
/** The count of a number that is not in use. */
const unused = 0xffffffff;
/** The first attribute of every set; the AS_PATH follows. */
const originLength = 4;

/**
 * Sets of attributes as numbers, each set once, counted by those who hold it. They are kept as octets
 * (`encodeSharedAttributes`) with what the choice among paths compares beside them; objects are made for those who ask, and
 * go when nobody looks at them any more.
 *
 * Invariants: a number in use has octets at `#addresses`, filled up with zeros to whole words, and a place in the index under their hash;
 * two numbers in use have different octets. Its count is above 0 or, until the next `#sweep`, 0, and then it is in `#released`. A set that no octets can stand for (a route of our own that cannot be encoded) is in
 * `#objects` instead, has length 0 and is not in the index. Unused numbers are in `#free`.
 */
export class AttributeTable {
  readonly #index = new HashIndex();
  readonly #chunks = new OctetChunks();
  readonly #objects = new Map<number, PathAttributes>();
  readonly #free: number[] = [];
  /** Numbers whose count has become 0, some of them several times. They are given up many at a time, as that is faster. */
  readonly #released = new Int32Array(sweepSize);
  #releases = 0;
  /** How many have a count above 0. */
  #held = 0;
  #used = 0;
  #counts = new Uint32Array(0);
  #addresses = new Uint32Array(0);
  #lengths = new Uint16Array(0);
  #hashes = new Int32Array(0);
  #localPrefs = new Uint32Array(0);
  #meds = new Uint32Array(0);
  #neighbors = new Uint32Array(0);
  /** Length of the AS_PATH, and ORIGIN above. */
  #shapes = new Uint32Array(0);
  #traits = new Uint16Array(0);
  /** Objects that somebody may still look at. */
  readonly #made: (WeakRef<PathAttributes> | undefined)[] = [];
  readonly #idOf = new WeakMap<PathAttributes, number>();
  /** Where the octets of a set are put, to be looked up in words: its length is a multiple of four. */
  readonly room = new Uint8Array(0x10000);
  readonly #words = new Int32Array(this.room.buffer);
  readonly #summary: AttributeSummary = {
    traits: 0,
    origin: 0,
    asPathLength: 0,
    neighborAs: 0,
    med: 0,
    localPref: 0,
  };

  /** How many sets there are. */
  get size(): number {
    return this.#held;
  }

  /** The number of the set that these octets stand for, held once more. The octets are copied. */
  takeOctets(octets: Uint8Array, start: number, end: number): number {
    for (let from = start; from < end; from++) this.room[from - start] = octets[from] ?? 0;
    return this.takeRoom(end - start);
  }

  /** As `takeOctets` for the first `length` octets of `room`. */
  takeRoom(length: number): number {
    for (let at = length; (at & 3) !== 0; at++) this.room[at] = 0;
    const hash = hashWords(this.#words, length);
    for (let place = this.#index.first(hash); ; place = this.#index.next(place)) {
      const known = this.#index.rowAt(place);
      if (known < 0) break;
      if (this.#index.hashAt(place) !== hash || !this.#holdsRoom(known, length)) continue;
      this.retain(known);
      return known;
    }
    summarizeOctets(this.room, 0, length, this.#summary);
    const id = this.#add(length);
    const address = this.#chunks.allocate(length);
    const words = this.#chunks.wordsOf(address);
    const offset = this.#chunks.offsetOf(address) >>> 2;
    for (let index = 0, count = wordsOf(length); index < count; index++)
      words[offset + index] = this.#words[index] ?? 0;
    this.#addresses[id] = address;
    this.#hashes[id] = hash;
    this.#index.add(id, hash);
    return id;
  }

  /** The number of this set, held once more. */
  take(attributes: PathAttributes): number {
    const remembered = this.#idOf.get(attributes);
    if (remembered !== undefined && this.#made[remembered]?.deref() === attributes) {
      this.retain(remembered);
      return remembered;
    }
    const octets = octetsOf(attributes);
    if (octets === undefined) {
      summarizeObject(attributes, this.#summary);
      const pinned = this.#add(0);
      this.#objects.set(pinned, attributes);
      this.#remember(pinned, attributes);
      return pinned;
    }
    const id = this.takeOctets(octets, 0, octets.length);
    if (this.#made[id]?.deref() === undefined) this.#remember(id, attributes);
    return id;
  }

  retain(id: number, times = 1): void {
    const count = this.#counts[id] ?? 0;
    if (count === 0) this.#held++;
    this.#counts[id] = count + times;
  }

  release(id: number, times = 1): void {
    const count = (this.#counts[id] ?? 0) - times;
    this.#counts[id] = count;
    if (count > 0) return;
    this.#held--;
    this.#released[this.#releases++] = id;
    if (this.#releases === sweepSize) this.#sweep();
  }

  /** The set as an object; the same one as long as somebody has it. */
  get(id: number): PathAttributes {
    const made = this.#made[id]?.deref();
    if (made !== undefined) return made;
    const attributes = this.#objects.get(id) ?? decodeSharedAttributes(this.#octets(id));
    this.#remember(id, attributes);
    return attributes;
  }

  /** Octets of the set, 0 if none stand for it. */
  lengthOf(id: number): number {
    return this.#lengths[id] ?? 0;
  }

  /** The memory in which the octets are, from `offsetOf` on. */
  chunkOf(id: number): Uint8Array {
    return this.#chunks.chunkOf(this.#addresses[id] ?? 0);
  }

  offsetOf(id: number): number {
    return this.#chunks.offsetOf(this.#addresses[id] ?? 0);
  }

  /** Bits of `Trait`. */
  traitsOf(id: number): number {
    return this.#traits[id] ?? 0;
  }

  /** Undefined without one. */
  localPrefOf(id: number): number | undefined {
    return (this.traitsOf(id) & Trait.localPref) === 0 ? undefined : (this.#localPrefs[id] ?? 0);
  }

  /** Undefined without one. */
  medOf(id: number): number | undefined {
    return (this.traitsOf(id) & Trait.med) === 0 ? undefined : (this.#meds[id] ?? 0);
  }

  originOf(id: number): number {
    return (this.#shapes[id] ?? 0) >>> 16;
  }

  /** As the choice counts it. */
  asPathLengthOf(id: number): number {
    return (this.#shapes[id] ?? 0) & 0xffff;
  }

  neighborAsOf(id: number): number {
    return this.#neighbors[id] ?? 0;
  }

  /** True if both have the same AS_PATH. */
  asPathsEqual(left: number, right: number): boolean {
    if (left === right) return true;
    if (this.asPathLengthOf(left) !== this.asPathLengthOf(right)) return false;
    if (this.lengthOf(left) === 0 || this.lengthOf(right) === 0)
      return asPathsEqual(this.get(left).asPath, this.get(right).asPath);
    const leftChunk = this.chunkOf(left);
    const rightChunk = this.chunkOf(right);
    const leftAt = this.offsetOf(left);
    const rightAt = this.offsetOf(right);
    // The length of the attribute is compared with the rest of it.
    for (let index = originLength, end = this.endOfAsPath(left); index < end; index++)
      if (leftChunk[leftAt + index] !== rightChunk[rightAt + index]) return false;
    return true;
  }

  /** Where the AS_PATH ends in the octets of the set. */
  endOfAsPath(id: number): number {
    const chunk = this.chunkOf(id);
    const at = this.offsetOf(id) + originLength;
    const isLong = ((chunk[at] ?? 0) & 0x10) !== 0;
    if (!isLong) return originLength + 3 + (chunk[at + 2] ?? 0);
    return originLength + 4 + (((chunk[at + 2] ?? 0) << 8) | (chunk[at + 3] ?? 0));
  }

  /** True if an AS number stands in the AS_PATH. */
  namesAs(id: number, asNumber: number): boolean {
    const chunk = this.chunkOf(id);
    const offset = this.offsetOf(id);
    const end = offset + this.endOfAsPath(id);
    const isLong = ((chunk[offset + originLength] ?? 0) & 0x10) !== 0;
    let at = offset + originLength + (isLong ? 4 : 3);
    while (at < end) {
      const segmentEnd = at + 2 + 4 * (chunk[at + 1] ?? 0);
      for (at += 2; at < segmentEnd; at += 4) if (word(chunk, at) === asNumber) return true;
    }
    return false;
  }

  /** Gives up those of `#released`, which is full, that nobody holds again. */
  #sweep(): void {
    this.#releases = 0;
    this.#index.prepare(this.#released.map((id) => this.#hashes[id] ?? 0));
    for (const id of this.#released) if (this.#counts[id] === 0) this.#giveUp(id);
  }

  #giveUp(id: number): void {
    const length = this.#lengths[id] ?? 0;
    if (length === 0) this.#objects.delete(id);
    else {
      this.#index.remove(id, this.#hashes[id] ?? 0);
      this.#chunks.release(this.#addresses[id] ?? 0, length);
    }
    if (this.#made[id] !== undefined) this.#made[id] = undefined;
    this.#counts[id] = unused;
    this.#free.push(id);
  }

  #octets(id: number): Uint8Array {
    const offset = this.offsetOf(id);
    return this.chunkOf(id).subarray(offset, offset + this.lengthOf(id));
  }

  #remember(id: number, attributes: PathAttributes): void {
    this.#made[id] = new WeakRef(attributes);
    this.#idOf.set(attributes, id);
  }

  /** True if the first `length` octets of `room` are those of the set. */
  #holdsRoom(id: number, length: number): boolean {
    if (this.#lengths[id] !== length) return false;
    const address = this.#addresses[id] ?? 0;
    const words = this.#chunks.wordsOf(address);
    const offset = this.#chunks.offsetOf(address) >>> 2;
    for (let index = 0, count = wordsOf(length); index < count; index++)
      if (words[offset + index] !== this.#words[index]) return false;
    return true;
  }

  /** A new number with a count of 1 and what `#summary` says. */
  #add(length: number): number {
    const id = this.#free.pop() ?? this.#used++;
    if (id >= this.#counts.length) this.#grow(id);
    const { traits, origin, asPathLength, neighborAs, med, localPref } = this.#summary;
    this.#counts[id] = 1;
    this.#held++;
    this.#lengths[id] = length;
    this.#traits[id] = traits;
    this.#shapes[id] = (origin << 16) | asPathLength;
    this.#neighbors[id] = neighborAs;
    this.#meds[id] = med;
    this.#localPrefs[id] = localPref;
    return id;
  }

  #grow(id: number): void {
    const capacity = grownCapacity(this.#counts.length, id);
    this.#counts = copiedInto(new Uint32Array(capacity), this.#counts);
    this.#addresses = copiedInto(new Uint32Array(capacity), this.#addresses);
    this.#lengths = copiedInto(new Uint16Array(capacity), this.#lengths);
    this.#hashes = copiedInto(new Int32Array(capacity), this.#hashes);
    this.#traits = copiedInto(new Uint16Array(capacity), this.#traits);
    this.#shapes = copiedInto(new Uint32Array(capacity), this.#shapes);
    this.#neighbors = copiedInto(new Uint32Array(capacity), this.#neighbors);
    this.#meds = copiedInto(new Uint32Array(capacity), this.#meds);
    this.#localPrefs = copiedInto(new Uint32Array(capacity), this.#localPrefs);
  }
}

/** Undefined for what only an object can say: what is not valid, would not come back the same, or would stand before ORIGIN. */
function octetsOf(attributes: PathAttributes): Uint8Array | undefined {
  const partial = 0x20;
  if (attributes.unknown.some(({ flags, code }) => (flags & partial) === 0 || code === 0)) return undefined;
  try {
    const octets = encodeSharedAttributes(attributes);
    return octets.length > 0xffff ? undefined : octets;
  } catch (error) {
    if (error instanceof BgpPacketError) return undefined;
    throw error;
  }
}

/** How many words octets take. */
function wordsOf(length: number): number {
  return (length + 3) >>> 2;
}

/** Of so many octets, by two words at a time, which the processor does side by side. */
function hashWords(words: Int32Array, length: number): number {
  let hash = length;
  let other = 0x85ebca6b;
  const count = wordsOf(length);
  for (let index = 0; index < count; index += 2) {
    hash = Math.imul(hash ^ (words[index] ?? 0), 0x9e3779b1);
    hash ^= hash >>> 15;
    if (index + 1 === count) break;
    other = Math.imul(other ^ (words[index + 1] ?? 0), 0xc2b2ae35);
    other ^= other >>> 13;
  }
  hash = Math.imul(hash ^ (other >>> 16) ^ (other << 16), 0x27d4eb2f);
  return hash ^ (hash >>> 15);
}
