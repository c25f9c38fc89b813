import { asPathsEqual } from "../as-path.ts";
import type { PathAttributes, UnknownAttribute } from "../packet/attributes.ts";

/** The table is first searched for dead entries when it holds this many. */
const firstSweepSize = 1024;

/**
 * Keeps one object for every set of attributes that is in use, so that identity stands for equality: routes of different
 * UPDATEs share memory, and comparing or grouping them costs one pointer comparison. Objects that nobody holds any more
 * are collected by the engine; their entries go when the table has doubled.
 */
export class AttributeStore {
  /** By hash; an array only where hashes collide. */
  readonly #entries = new Map<number, WeakRef<PathAttributes> | WeakRef<PathAttributes>[]>();
  #size = 0;
  #sweepAt = firstSweepSize;

  /** The object that stands for this content: an earlier one that is equal, else `attributes` itself. */
  intern(attributes: PathAttributes): PathAttributes {
    const hash = hashAttributes(attributes);
    const found = this.#entries.get(hash);
    for (const reference of listOf(found)) {
      const known = reference.deref();
      if (known !== undefined && (known === attributes || attributesEqual(known, attributes))) return known;
    }
    const reference = new WeakRef(attributes);
    this.#entries.set(hash, found === undefined ? reference : [...listOf(found), reference]);
    this.#size++;
    if (this.#size >= this.#sweepAt) this.#sweep();
    return attributes;
  }

  #sweep(): void {
    this.#size = 0;
    for (const [hash, found] of this.#entries) {
      const alive = listOf(found).filter((reference) => reference.deref() !== undefined);
      const [only] = alive;
      if (only === undefined) this.#entries.delete(hash);
      else if (Array.isArray(found)) this.#entries.set(hash, alive.length === 1 ? only : alive);
      this.#size += alive.length;
    }
    this.#sweepAt = Math.max(firstSweepSize, this.#size * 2);
  }
}

function listOf<Item extends object>(found: Item | Item[] | undefined): readonly Item[] {
  if (found === undefined) return [];
  return Array.isArray(found) ? found : [found];
}

function mix(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

function hashAttributes(attributes: PathAttributes): number {
  let hash = mix(attributes.origin, attributes.med ?? -1);
  hash = mix(hash, attributes.localPref ?? -1);
  hash = mix(hash, attributes.originatorId ?? -1);
  hash = mix(hash, attributes.onlyToCustomer ?? -1);
  hash = mix(hash, attributes.atomicAggregate ? 1 : 0);
  if (attributes.aggregator !== undefined)
    hash = mix(mix(hash, attributes.aggregator.asNumber), attributes.aggregator.address.hash());
  for (const segment of attributes.asPath) {
    hash = mix(hash, segment.type.length);
    for (const asNumber of segment.asNumbers) hash = mix(hash, asNumber);
  }
  for (const community of attributes.communities) hash = mix(hash, community);
  for (const community of attributes.extendedCommunities)
    hash = mix(mix(hash, Number(community >> 32n)), Number(community & 0xffffffffn));
  for (const { global, local1, local2 } of attributes.largeCommunities)
    hash = mix(mix(mix(hash, global), local1), local2);
  for (const cluster of attributes.clusterList) hash = mix(hash, cluster);
  for (const { code, value } of attributes.unknown) {
    hash = mix(hash, code);
    for (const octet of value) hash = mix(hash, octet);
  }
  return hash;
}

function attributesEqual(left: PathAttributes, right: PathAttributes): boolean {
  return (
    left.origin === right.origin &&
    left.med === right.med &&
    left.localPref === right.localPref &&
    left.originatorId === right.originatorId &&
    left.onlyToCustomer === right.onlyToCustomer &&
    left.atomicAggregate === right.atomicAggregate &&
    aggregatorsEqual(left, right) &&
    asPathsEqual(left.asPath, right.asPath) &&
    listsEqual(left.communities, right.communities, Object.is) &&
    listsEqual(left.extendedCommunities, right.extendedCommunities, Object.is) &&
    listsEqual(
      left.largeCommunities,
      right.largeCommunities,
      (one, other) => one.global === other.global && one.local1 === other.local1 && one.local2 === other.local2,
    ) &&
    listsEqual(left.clusterList, right.clusterList, Object.is) &&
    listsEqual(left.unknown, right.unknown, unknownEqual)
  );
}

function aggregatorsEqual({ aggregator: left }: PathAttributes, { aggregator: right }: PathAttributes): boolean {
  if (left === undefined || right === undefined) return left === right;
  return left.asNumber === right.asNumber && left.address.equals(right.address);
}

function unknownEqual(left: UnknownAttribute, right: UnknownAttribute): boolean {
  return (
    left.code === right.code &&
    left.flags === right.flags &&
    left.value.length === right.value.length &&
    left.value.every((octet, index) => octet === right.value[index])
  );
}

function listsEqual<Item>(
  left: readonly Item[],
  right: readonly Item[],
  equal: (left: Item, right: Item) => boolean,
): boolean {
  if (left === right) return true;
  return (
    left.length === right.length &&
    left.every((item, index) => {
      const other = right[index];
      return other !== undefined && equal(item, other);
    })
  );
}
