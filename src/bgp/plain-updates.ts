import { IpAddress } from "../net/address.ts";
import type { CodecContext, NextHop } from "./packet/message.ts";
import { nextPlainPrefix, plainAddress, UpdateScan } from "./packet/update-scan.ts";
import type { AdjRibIn } from "./rib/adj-rib-in.ts";
import type { Rib } from "./rib/rib.ts";

/** Takes plain UPDATEs of all peers into the RIB without making objects of what is in them. */
export class PlainUpdates {
  readonly #rib: Rib;
  readonly #scan = new UpdateScan();
  #nextHop: NextHop = { address: IpAddress.v4(0) };

  constructor(rib: Rib) {
    this.#rib = rib;
  }

  /**
   * Takes the UPDATEs that lie one behind the other from `start` to `end` of `octets`, up to the first that is not all there or has
   * to be decoded. Says where that one begins.
   */
  take(table: AdjRibIn, octets: Uint8Array, start: number, end: number, context: CodecContext): number {
    if (!context.fourOctetAs || context.addPathReceive.length > 0 || !context.families.includes("ipv4-unicast"))
      return start;
    let at = start;
    while (this.#scan.read(octets, at, end, context)) {
      this.#takeScanned(table, octets);
      at = this.#scan.nlriEnd;
    }
    return at;
  }

  #takeScanned(table: AdjRibIn, octets: Uint8Array): void {
    const scan = this.#scan;
    const rib = this.#rib;
    const { prefixes } = rib;
    for (let at = scan.withdrawnStart; at < scan.withdrawnEnd; at = nextPlainPrefix(octets, at))
      rib.withdraw(table, prefixes.findIpv4(plainAddress(octets, at), octets[at] ?? 0), 0);
    if (scan.attributesLength === 0) return;
    if (this.#nextHop.address.w0 !== scan.nextHop) this.#nextHop = { address: IpAddress.v4(scan.nextHop) };
    const attributes = rib.attributes.takeOctets(scan.attributes, 0, scan.attributesLength);
    rib.beginAnnouncement(table, attributes, this.#nextHop);
    for (let at = scan.nlriStart; at < scan.nlriEnd; at = nextPlainPrefix(octets, at))
      rib.announce(prefixes.takeIpv4(plainAddress(octets, at), octets[at] ?? 0), 0);
    rib.endAnnouncement();
    rib.attributes.release(attributes);
  }
}
