import { type AddressFamily, IpAddress } from "../net/address.ts";
import { Prefix, parseCidr } from "../net/prefix.ts";

/** A run of addresses of one family, both ends included. */
export interface Interval {
  readonly first: IpAddress;
  readonly last: IpAddress;
}

/** An element of an nft set of addresses, as nft's JSON has it. */
export type SetElement =
  | string
  | { readonly prefix: { readonly addr: string; readonly len: number } }
  | { readonly range: readonly [string, string] };

/**
 * The same addresses as intervals that neither overlap nor touch, in ascending order, by `intervalKey`. The kernel's sets
 * want no overlap, and nft lists neighbours as it likes: with both sides in this form an element is deleted as it was added.
 */
export function mergeIntervals(intervals: readonly Interval[]): Map<string, Interval> {
  const sorted = [...intervals].sort((left, right) => left.first.compare(right.first));
  const merged: Interval[] = [];
  for (const { first, last } of sorted) {
    const previous = merged.at(-1);
    const joins = previous !== undefined && first.toBigInt() <= previous.last.toBigInt() + 1n;
    if (!joins) merged.push({ first, last });
    else if (last.compare(previous.last) > 0) merged[merged.length - 1] = { first: previous.first, last };
  }
  return new Map(merged.map((interval) => [`${interval.first}-${interval.last}`, interval]));
}

export function prefixInterval(prefix: Prefix): Interval {
  const bits = BigInt(prefix.bits - prefix.length);
  return { first: prefix.address, last: fromBigInt(prefix.family, prefix.address.toBigInt() | ((1n << bits) - 1n)) };
}

/** In the shortest of the forms that nft has. */
export function setElement({ first, last }: Interval): SetElement {
  if (first.equals(last)) return first.toString();
  const size = last.toBigInt() - first.toBigInt() + 1n;
  const prefix = Prefix.of(first, first.bits - (size.toString(2).length - 1));
  if ((size & (size - 1n)) === 0n && prefix.address.equals(first))
    return { prefix: { addr: first.toString(), len: prefix.length } };
  return { range: [first.toString(), last.toString()] };
}

/** Reads an element that nft listed; undefined for anything that is no address, prefix or range of addresses. */
export function readSetElement(element: unknown): Interval | undefined {
  try {
    if (typeof element === "string") return prefixInterval(Prefix.host(IpAddress.parse(element)));
    if (typeof element !== "object" || element === null) return undefined;
    if ("prefix" in element) {
      const { addr, len } = element.prefix as { addr: unknown; len: unknown };
      const { address, length } = parseCidr(`${addr}/${len}`);
      return prefixInterval(Prefix.of(address, length));
    }
    if ("range" in element) {
      const [first, last] = element.range as unknown[];
      return { first: IpAddress.parse(String(first)), last: IpAddress.parse(String(last)) };
    }
  } catch {
    // Nothing of ours; the caller writes its set anew.
  }
  return undefined;
}

function fromBigInt(family: AddressFamily, value: bigint): IpAddress {
  if (family === 4) return IpAddress.v4(Number(value));
  const word = (shift: bigint): number => Number((value >> shift) & 0xffffffffn);
  return IpAddress.v6(word(96n), word(64n), word(32n), word(0n));
}
