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

  /** False, and nothing done, if the UPDATE has to be decoded. */
  take(table: AdjRibIn, octets: Uint8Array, context: CodecContext): boolean {
    if (!context.fourOctetAs || context.addPathReceive.length > 0 || !context.families.includes("ipv4-unicast"))
      return false;
    const scan = this.#scan;
    if (!scan.read(octets, context)) return false;
    const rib = this.#rib;
    const { prefixes } = rib;
    for (let at = scan.withdrawnStart; at < scan.withdrawnEnd; at = nextPlainPrefix(octets, at))
      rib.withdraw(table, prefixes.findIpv4(plainAddress(octets, at), octets[at] ?? 0), 0);
    if (scan.attributesLength === 0) return true;
    if (this.#nextHop.address.w0 !== scan.nextHop) this.#nextHop = { address: IpAddress.v4(scan.nextHop) };
    const attributes = rib.attributes.takeOctets(scan.attributes, 0, scan.attributesLength);
    rib.beginAnnouncement(table, attributes, this.#nextHop);
    for (let at = scan.nlriStart; at < scan.nlriEnd; at = nextPlainPrefix(octets, at))
      rib.announce(prefixes.takeIpv4(plainAddress(octets, at), octets[at] ?? 0), 0);
    rib.endAnnouncement();
    rib.attributes.release(attributes);
    return true;
  }
}
