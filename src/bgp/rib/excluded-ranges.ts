import type { IpAddress } from "../../net/address.ts";
import type { BucketTable, Recipient } from "./bucket.ts";

/** Whole messages in a run of octets: where they begin and end, and how many are before the beginning and the end. */
interface Range {
  readonly start: number;
  readonly messagesBefore: number;
  end: number;
  messages: number;
}

/** What somebody must not get: ascending, and apart from each other. */
interface Ranges {
  /** Whose they are, where the key alone does not say it. */
  readonly address: IpAddress | undefined;
  readonly list: Range[];
}

const noRanges: Ranges = { address: undefined, list: [] };

/** Which ranges of a run of octets are not for whom. */
export class ExcludedRanges {
  /** By the name of the peer that the routes came from. */
  readonly #bySource = new Map<string, Ranges>();
  /** By the hash of the next hop; several where hashes collide. */
  readonly #byAddress = new Map<number, Ranges[]>();
  /** Of the last next hop, since most buckets in a row have the same. */
  #lastOfAddress = noRanges;
  /** Where the next range begins. */
  #end = 0;
  #messages = 0;

  /** Forgets everything. Routes begin behind so many octets and messages. */
  begin(octets: number, messages: number): void {
    this.#bySource.clear();
    this.#byAddress.clear();
    this.#lastOfAddress = noRanges;
    this.#end = octets;
    this.#messages = messages;
  }

  /** Routes of this bucket were written; the run has so many octets and messages now. */
  add(buckets: BucketTable, bucket: number, octets: number, messages: number): void {
    const { address } = buckets.nextHopOf(bucket);
    if (this.#lastOfAddress.address !== address) this.#lastOfAddress = this.#rangesOf(address);
    this.#append(this.#lastOfAddress.list, octets, messages);
    const source = buckets.sourceOf(bucket);
    if (source !== undefined) {
      const known = this.#bySource.get(source);
      const ranges = known ?? { address: undefined, list: [] };
      if (known === undefined) this.#bySource.set(source, ranges);
      this.#append(ranges.list, octets, messages);
    }
    this.#end = octets;
    this.#messages = messages;
  }

  /** Calls `visit` with what is left for a recipient of a run of so many octets and messages: few, large ranges, and their messages. */
  visit(
    { name, address }: Recipient,
    octets: number,
    messages: number,
    visit: (start: number, end: number, messages: number) => void,
  ): void {
    const bySource = this.#bySource.get(name)?.list ?? noRanges.list;
    const byAddress =
      this.#byAddress.get(address.hash())?.find((one) => one.address?.equals(address))?.list ?? noRanges.list;
    let at = 0;
    let before = 0;
    for (let ofSource = 0, ofAddress = 0; ; ) {
      const source = bySource[ofSource];
      const other = byAddress[ofAddress];
      const isSource = source !== undefined && (other === undefined || source.start <= other.start);
      const next = isSource ? source : other;
      if (next === undefined) break;
      if (isSource) ofSource++;
      else ofAddress++;
      if (next.start > at) visit(at, next.start, next.messagesBefore - before);
      if (next.end <= at) continue;
      at = next.end;
      before = next.messages;
    }
    if (octets > at) visit(at, octets, messages - before);
  }

  #rangesOf(address: IpAddress): Ranges {
    const hash = address.hash();
    const list = this.#byAddress.get(hash);
    const known = list?.find((ranges) => ranges.address?.equals(address));
    if (known !== undefined) return known;
    const ranges = { address, list: [] };
    if (list === undefined) this.#byAddress.set(hash, [ranges]);
    else list.push(ranges);
    return ranges;
  }

  #append(list: Range[], octets: number, messages: number): void {
    const last = list.at(-1);
    if (last?.end !== this.#end) list.push({ start: this.#end, messagesBefore: this.#messages, end: octets, messages });
    else {
      last.end = octets;
      last.messages = messages;
    }
  }
}
