import type { IpAddress } from "../../net/address.ts";
import type { NextHop } from "./message.ts";
import type { Reader } from "./reader.ts";

/**
 * False for an address that no router can forward to: 0/8, 127/8, 224/4 and above; ::, ::1, ff00::/8 and IPv4-mapped
 * (RFC 4271 §6.3, RFC 1122 §3.2.1.3). Whether it is our own or off-link is for those to say who know the interfaces.
 */
export function isUsableNextHop(address: IpAddress): boolean {
  if (address.family === 4) {
    const first = address.w0 >>> 24;
    return first !== 0 && first !== 127 && first < 224;
  }
  if (address.w0 === 0 && address.w1 === 0)
    return !((address.w2 === 0 && address.w3 <= 1) || address.w2 === 0x0000ffff);
  return address.w0 >>> 24 !== 0xff;
}

/** fe80::/10: such an address means something only together with a link. */
export function isLinkLocal(address: IpAddress): boolean {
  return address.family === 6 && address.w0 >>> 22 === 0xfe80 >>> 6;
}

function isUnspecified(address: IpAddress): boolean {
  return (address.w0 | address.w1 | address.w2 | address.w3) === 0;
}

/**
 * An IPv6 next hop of 16 or 32 octets (RFC 2545 §3). Of the second address only a link-local one counts; it takes the
 * first one's place where that is `::`, as some speakers send on links without a global address.
 */
export function readIpv6NextHop(field: Reader): NextHop {
  const address = field.ipv6();
  if (field.remaining === 0) return { address };
  const second = field.ipv6();
  if (!isLinkLocal(second)) return { address };
  return isUnspecified(address) ? { address: second } : { address, linkLocal: second };
}
