import { IpAddress } from "../net/address.ts";
import type { CodecContext, NextHop } from "./packet/message.ts";
import { UpdateScan } from "./packet/update-scan.ts";
import type { AdjRibIn } from "./rib/adj-rib-in.ts";
import { none } from "./rib/path-rows.ts";
import type { Rib } from "./rib/rib.ts";

/** Messages that are read before what is in them is looked up, all together; so many prefixes are enough. */
const batchMessages = 256;
const batchPrefixes = 1024;

/**
 * Takes plain UPDATEs of all peers into the RIB without making objects of what is in them, some at a time: first all are read, then
 * all their prefixes are looked up, then the routes change.
 */
export class PlainUpdates {
  readonly #rib: Rib;
  readonly #scan: UpdateScan;
  /** Rows of the batch's prefixes. */
  readonly #rows: Int32Array;
  /** Per message of the batch: where its announced prefixes begin and where they end, its attributes (none without routes) and next hop. */
  readonly #messages = new Int32Array(batchMessages * 4);
  #nextHop: NextHop = { address: IpAddress.v4(0) };

  constructor(rib: Rib) {
    this.#rib = rib;
    this.#scan = new UpdateScan(rib.attributes.room);
    this.#rows = new Int32Array(this.#scan.prefixes.lengths.length);
  }

  /**
   * Takes the UPDATEs that lie one behind the other from `start` to `end` of `octets`, up to the first that is not all there or has
   * to be decoded. Says where that one begins.
   */
  take(table: AdjRibIn, octets: Uint8Array, start: number, end: number, context: CodecContext): number {
    if (!context.fourOctetAs || context.addPathReceive.length > 0 || !context.families.includes("ipv4-unicast"))
      return start;
    const scan = this.#scan;
    const messages = this.#messages;
    let at = start;
    for (;;) {
      scan.prefixes.count = 0;
      let count = 0;
      while (count < batchMessages && scan.prefixes.count < batchPrefixes && scan.read(octets, at, end, context)) {
        const { attributesLength } = scan;
        messages[count * 4] = scan.announcedStart;
        messages[count * 4 + 1] = scan.prefixes.count;
        messages[count * 4 + 2] = attributesLength === 0 ? none : this.#rib.attributes.takeRoom(attributesLength);
        messages[count * 4 + 3] = scan.nextHop;
        count++;
        at = scan.end;
      }
      if (count === 0) return at;
      this.#lookUp(count);
      this.#change(table, count);
    }
  }

  #lookUp(count: number): void {
    const { prefixes } = this.#rib;
    const batch = this.#scan.prefixes;
    prefixes.prepare(batch);
    let from = 0;
    for (let at = 0; at < count * 4; at += 4) {
      const announcedStart = this.#messages[at] ?? 0;
      const to = this.#messages[at + 1] ?? 0;
      if (announcedStart > from) prefixes.findAll(batch, from, announcedStart, this.#rows);
      if (to > announcedStart) prefixes.takeAll(batch, announcedStart, to, this.#rows);
      from = to;
    }
  }

  #change(table: AdjRibIn, count: number): void {
    const rib = this.#rib;
    let from = 0;
    for (let at = 0; at < count * 4; at += 4) {
      const announcedStart = this.#messages[at] ?? 0;
      const to = this.#messages[at + 1] ?? 0;
      const attributes = this.#messages[at + 2] ?? none;
      if (announcedStart > from) rib.withdrawAll(table, this.#rows, from, announcedStart);
      if (attributes !== none) {
        rib.beginAnnouncement(table, attributes, this.#hop((this.#messages[at + 3] ?? 0) >>> 0));
        rib.announceAll(this.#rows, announcedStart, to);
        rib.endAnnouncement();
        rib.attributes.release(attributes);
      }
      from = to;
    }
  }

  #hop(address: number): NextHop {
    if (this.#nextHop.address.w0 !== address) this.#nextHop = { address: IpAddress.v4(address) };
    return this.#nextHop;
  }
}
