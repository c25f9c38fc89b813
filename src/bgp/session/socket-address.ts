import { IpAddress } from "../../net/address.ts";

/** An end of a connection. */
export interface SocketEnd {
  readonly address: IpAddress;
  /** The device of a link-local address. */
  readonly device?: string;
}

/**
 * An end of a socket as node names it. An IPv4 peer of a dual-stack socket (`::ffff:10.0.0.1`) gives its IPv4 address.
 * Undefined if the socket has no address any more.
 */
export function socketEnd(text: string | undefined): SocketEnd | undefined {
  if (text === undefined) return undefined;
  const [bare = "", device] = text.split("%");
  const address = IpAddress.tryParse(bare);
  if (address === undefined) return undefined;
  const isMapped = address.family === 6 && address.w0 === 0 && address.w1 === 0 && address.w2 === 0xffff;
  if (isMapped) return { address: IpAddress.v4(address.w3) };
  return device === undefined ? { address } : { address, device };
}
