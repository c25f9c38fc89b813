import { IpAddress } from "../../net/address.ts";

/**
 * An end of a socket as node names it. An IPv4 peer of a dual-stack socket (`::ffff:10.0.0.1`) gives its IPv4 address; the
 * zone of a link-local address is dropped. Undefined if the socket has no address any more.
 */
export function socketAddress(text: string | undefined): IpAddress | undefined {
  if (text === undefined) return undefined;
  const zone = text.indexOf("%");
  const address = IpAddress.tryParse(zone < 0 ? text : text.slice(0, zone));
  const isMapped = address?.family === 6 && address.w0 === 0 && address.w1 === 0 && address.w2 === 0xffff;
  return isMapped ? IpAddress.v4(address.w3) : address;
}
