import type { Random } from "./random.ts";

const headerLength = 19;
const updateType = 2;
const largestMessage = 4096;
/** Octets that parsers stumble over. */
const telling = [0, 1, 2, 3, 4, 7, 8, 16, 24, 31, 32, 33, 63, 64, 127, 128, 129, 254, 255];
/** Flags octets of path attributes: all combinations of the four bits that mean something. */
const flags = Array.from({ length: 16 }, (_, bits) => bits << 4);

/** A TLV of a message: where its head, its value and its end are. */
interface Item {
  readonly start: number;
  readonly value: number;
  readonly end: number;
}

/**
 * A message like the given one, wrong in some places. It knows where the parts of an UPDATE are, so that most results get
 * past the first checks; `others` lend their octets. Most have a header whose length is right.
 */
export function mutate(message: Uint8Array, others: readonly Uint8Array[], random: Random): Uint8Array {
  let octets = Array.from(message);
  for (let changes = 1 + random.below(4); changes > 0; changes--) octets = change(octets, others, random);
  octets = octets.slice(0, largestMessage);
  if (!random.chance(12)) setLength(octets);
  return Uint8Array.from(octets);
}

function change(octets: number[], others: readonly Uint8Array[], random: Random): number[] {
  const attributes = octets[18] === updateType ? findAttributes(octets) : [];
  if (attributes.length > 0 && !random.chance(3)) return changeAttribute(octets, attributes, others, random);
  const at = headerLength + random.below(Math.max(1, octets.length - headerLength));
  switch (random.below(7)) {
    case 0:
      return replaced(octets, at, [(octets[at] ?? 0) ^ (1 << random.below(8))], 1);
    case 1:
      return replaced(octets, at, [random.pick(telling)], 1);
    case 2:
      return replaced(octets, at, bytesOf(random, random.below(8)), 0);
    case 3:
      return replaced(octets, at, [], 1 + random.below(8));
    case 4:
      return replaced(octets, at, slice(random.pick(others), random), random.below(4));
    case 5:
      return octets.slice(0, at);
    default:
      return random.chance(10) ? replaced(octets, random.below(headerLength), [random.below(256)], 1) : octets;
  }
}

function changeAttribute(
  octets: number[],
  attributes: readonly Item[],
  others: readonly Uint8Array[],
  random: Random,
): number[] {
  const item = random.pick(attributes);
  const other = random.pick(attributes);
  const before = octets.length;
  const whole = octets.slice(item.start, item.end);
  let result: number[];
  switch (random.below(9)) {
    case 0:
      result = replaced(octets, item.start, [random.pick(flags)], 1);
      break;
    case 1:
      result = replaced(octets, item.start + 1, [random.below(42)], 1);
      break;
    case 2:
      // The length alone, so that what follows is read from the wrong place.
      result = replaced(octets, item.value - 1, [random.pick(telling)], 1);
      break;
    case 3:
      result = replaced(octets, other.start, whole, 0);
      break;
    case 4:
      result = replaced(octets, item.start, [], item.end - item.start);
      break;
    case 5:
      result = replaced(
        octets,
        item.value + random.below(Math.max(1, item.end - item.value)),
        [random.pick(telling)],
        1,
      );
      break;
    case 6: {
      // Another value, with its length.
      const value = random.chance(2) ? bytesOf(random, random.below(24)) : slice(random.pick(others), random);
      result = replaced(
        octets,
        item.start,
        [random.pick(flags) & 0xef, random.below(42), value.length & 255, ...value.slice(0, 255)],
        item.end - item.start,
      );
      break;
    }
    case 7:
      result = [...octets, ...bytesOf(random, random.below(6))];
      break;
    default:
      result = replaced(
        octets,
        item.end,
        [random.pick([0, 8, 24, 32, 33, 128]), ...bytesOf(random, random.below(17))],
        0,
      );
  }
  if (!random.chance(6)) adjustAttributesLength(result, result.length - before);
  return result;
}

/** The path attributes of an UPDATE that is well formed enough to have some. */
function findAttributes(octets: readonly number[]): Item[] {
  const withdrawn = word(octets, headerLength);
  const start = headerLength + 2 + withdrawn + 2;
  const end = start + word(octets, headerLength + 2 + withdrawn);
  const items: Item[] = [];
  for (let at = start; at + 3 <= end && end <= octets.length; ) {
    const isExtended = ((octets[at] ?? 0) & 0x10) !== 0;
    const value = at + (isExtended ? 4 : 3);
    const length = isExtended ? word(octets, at + 2) : (octets[at + 2] ?? 0);
    if (value + length > end) break;
    items.push({ start: at, value, end: value + length });
    at = value + length;
  }
  return items;
}

function adjustAttributesLength(octets: number[], difference: number): void {
  const at = headerLength + 2 + word(octets, headerLength);
  if (at + 2 > octets.length) return;
  const length = (word(octets, at) + difference) & 0xffff;
  octets[at] = length >> 8;
  octets[at + 1] = length & 255;
}

function setLength(octets: number[]): void {
  if (octets.length < headerLength) return;
  octets[16] = octets.length >> 8;
  octets[17] = octets.length & 255;
}

function word(octets: readonly number[], at: number): number {
  return ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
}

function replaced(octets: readonly number[], at: number, inserted: readonly number[], removed: number): number[] {
  return [...octets.slice(0, at), ...inserted, ...octets.slice(at + removed)];
}

function slice(octets: Uint8Array, random: Random): number[] {
  const start = random.below(Math.max(1, octets.length));
  return Array.from(octets.subarray(start, start + random.below(40)));
}

function bytesOf(random: Random, length: number): number[] {
  return Array.from({ length }, () => (random.chance(3) ? random.pick(telling) : random.below(256)));
}
