import type { IpAddress } from "../../net/address.ts";
import type { BucketTable, Recipient } from "./bucket.ts";

/** A place in a run of octets between two messages: how many of each are before it. */
export interface RunPlace {
  readonly octets: number;
  readonly messages: number;
}

/** Ranges of a run of octets, ascending and apart from each other. */
interface Ranges {
  /** Whose they are, where the key alone does not say it. */
  readonly address: IpAddress | undefined;
  readonly starts: RunPlace[];
  readonly ends: RunPlace[];
}

const beginning: RunPlace = { octets: 0, messages: 0 };
const noRanges: Ranges = { address: undefined, starts: [], ends: [] };

/** Which ranges of a run of octets are not for whom. */
export class ExcludedRanges {
  /** By the name of the peer that the routes came from. */
  readonly #bySource = new Map<string, Ranges>();
  /** By the hash of the next hop; several where hashes collide. */
  readonly #byAddress = new Map<number, Ranges[]>();
  /** Of the last next hop, since most buckets in a row have the same. */
  #lastOfAddress = noRanges;

  clear(): void {
    this.#bySource.clear();
    this.#byAddress.clear();
    this.#lastOfAddress = noRanges;
  }

  /** The octets are routes of this bucket, and behind all that have been added. */
  add(buckets: BucketTable, bucket: number, start: RunPlace, end: RunPlace): void {
    const { address } = buckets.nextHopOf(bucket);
    if (this.#lastOfAddress.address !== address) this.#lastOfAddress = this.#rangesOf(address);
    append(this.#lastOfAddress, start, end);
    const source = buckets.sourceOf(bucket);
    if (source === undefined) return;
    let ranges = this.#bySource.get(source);
    if (ranges === undefined) {
      ranges = { address: undefined, starts: [], ends: [] };
      this.#bySource.set(source, ranges);
    }
    append(ranges, start, end);
  }

  /** Calls `visit` with what is left for a recipient of a run of octets that ends at `end`: few, large ranges, and their messages. */
  visit(
    { name, address }: Recipient,
    end: RunPlace,
    visit: (start: number, end: number, messages: number) => void,
  ): void {
    const bySource = this.#bySource.get(name) ?? noRanges;
    const byAddress = this.#byAddress.get(address.hash())?.find((one) => one.address?.equals(address)) ?? noRanges;
    let at = beginning;
    for (let ofSource = 0, ofAddress = 0; ; ) {
      const source = bySource.starts[ofSource] ?? end;
      const other = byAddress.starts[ofAddress] ?? end;
      const isSource = source.octets <= other.octets;
      const start = isSource ? source : other;
      if (start.octets > at.octets) visit(at.octets, start.octets, start.messages - at.messages);
      if (start.octets >= end.octets) return;
      const next = (isSource ? bySource.ends[ofSource++] : byAddress.ends[ofAddress++]) ?? end;
      if (next.octets > at.octets) at = next;
    }
  }

  #rangesOf(address: IpAddress): Ranges {
    const hash = address.hash();
    const list = this.#byAddress.get(hash);
    const known = list?.find((ranges) => ranges.address?.equals(address));
    if (known !== undefined) return known;
    const ranges = { address, starts: [], ends: [] };
    if (list === undefined) this.#byAddress.set(hash, [ranges]);
    else list.push(ranges);
    return ranges;
  }
}

function append({ starts, ends }: Ranges, start: RunPlace, end: RunPlace): void {
  if (ends.at(-1)?.octets === start.octets) ends[ends.length - 1] = end;
  else {
    starts.push(start);
    ends.push(end);
  }
}
