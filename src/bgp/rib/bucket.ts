import type { IpAddress } from "../../net/address.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { NextHop } from "../packet/message.ts";
import { nextHopsEqual } from "./next-hop-table.ts";

/** A peer as the export side sees it. */
export interface Recipient {
  readonly name: string;
  readonly address: IpAddress;
}

/** What routes that may share an UPDATE have in common: their attributes, next hop, and who must not hear of them. */
export interface Bucket {
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop;
  /** Name of the peer that the routes came from, if it can be in the group. */
  readonly source: string | undefined;
  /** Under which keys (`recipientKeys`) those are found who must not hear of the routes. */
  readonly excludedKeys: readonly string[];
  /** Routes of the group's Adj-RIB-Out in this bucket. */
  routes: number;
}

/** A route goes neither to the peer that it came from nor to the peer that is its next hop. */
export function isExcluded(bucket: Bucket, recipient: Recipient): boolean {
  return bucket.source === recipient.name || bucket.nextHop.address.equals(recipient.address);
}

/** True if both tell every peer the same. */
export function bucketsEqual(left: Bucket | undefined, right: Bucket | undefined): boolean {
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  return (
    left.attributes === right.attributes && left.source === right.source && nextHopsEqual(left.nextHop, right.nextHop)
  );
}

/** The buckets of one group, one object for each content. */
export class BucketTable {
  readonly #byAttributes = new Map<PathAttributes, Bucket[]>();
  /** By the name and by the address of those who must not hear of the routes. */
  readonly #byExcluded = new Map<string, Set<Bucket>>();
  /** Most buckets in a row have the same next hop. */
  #lastAddress: { readonly address: IpAddress; readonly key: string } | undefined;

  /** The bucket of this content, with one route more. */
  take(attributes: PathAttributes, nextHop: NextHop, source: string | undefined): Bucket {
    const siblings = this.#byAttributes.get(attributes);
    const known = siblings?.find((bucket) => bucket.source === source && nextHopsEqual(bucket.nextHop, nextHop));
    if (known !== undefined) {
      known.routes++;
      return known;
    }
    const hopKey = this.#addressKey(nextHop.address);
    const excludedKeys = source === undefined ? [hopKey] : [hopKey, nameKey(source)];
    const wanted: Bucket = { attributes, nextHop, source, excludedKeys, routes: 1 };
    if (siblings === undefined) this.#byAttributes.set(attributes, [wanted]);
    else siblings.push(wanted);
    for (const key of wanted.excludedKeys) {
      const buckets = this.#byExcluded.get(key);
      if (buckets === undefined) this.#byExcluded.set(key, new Set([wanted]));
      else buckets.add(wanted);
    }
    return wanted;
  }

  /** One route less. */
  release(bucket: Bucket): void {
    bucket.routes--;
    if (bucket.routes > 0) return;
    const siblings = this.#byAttributes.get(bucket.attributes)?.filter((other) => other !== bucket) ?? [];
    if (siblings.length === 0) this.#byAttributes.delete(bucket.attributes);
    else this.#byAttributes.set(bucket.attributes, siblings);
    for (const key of bucket.excludedKeys) {
      const buckets = this.#byExcluded.get(key);
      buckets?.delete(bucket);
      if (buckets?.size === 0) this.#byExcluded.delete(key);
    }
  }

  /** How many routes the recipient must not hear of. */
  countExcluded(recipient: Recipient): number {
    const buckets = new Set(recipientKeys(recipient).flatMap((key) => [...(this.#byExcluded.get(key) ?? [])]));
    let count = 0;
    for (const { routes } of buckets) count += routes;
    return count;
  }

  #addressKey(address: IpAddress): string {
    if (this.#lastAddress?.address !== address) this.#lastAddress = { address, key: addressKey(address) };
    return this.#lastAddress.key;
  }
}

/** The keys under which a recipient is left out. */
export function recipientKeys(recipient: Recipient): readonly string[] {
  return [addressKey(recipient.address), nameKey(recipient.name)];
}

const nameKey = (name: string): string => `name ${name}`;
const addressKey = (address: IpAddress): string => `address ${address}`;
