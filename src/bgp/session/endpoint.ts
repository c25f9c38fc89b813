import type { TcpDial, TcpOptions, TcpSockets } from "../../core/tcp.ts";
import type { IpAddress } from "../../net/address.ts";
import { isLinkLocal } from "../packet/next-hop.ts";
import type { PeerConfig } from "../types.ts";

/** What tells peers apart: the address, and for a link-local one the device that its link is on. */
export function endpointKey(address: IpAddress, device: string | undefined): string {
  return isLinkLocal(address) && device !== undefined ? `${address}%${device}` : address.toString();
}

/** Options of all connections with a peer. A link-local address names its device itself, so no socket need be bound to it. */
export function tcpOptionsOf({ address, transport = {} }: PeerConfig): TcpOptions {
  const { localPort: _localPort, device, ...options } = transport;
  return device === undefined || isLinkLocal(address) ? options : { ...options, device };
}

/** Why these sockets can't connect to a peer as it is configured; undefined if they can. */
export function refusalOf(peer: PeerConfig, sockets: TcpSockets): string | undefined {
  const { address, transport } = peer;
  return isLinkLocal(address) && transport?.device === undefined
    ? `${address} is a link-local address and needs the device that it is on`
    : sockets.refusal(tcpOptionsOf(peer));
}

export function dialRequest(peer: PeerConfig): TcpDial {
  const { address, port, localAddress, transport = {} } = peer;
  const { device, localPort } = transport;
  return {
    address: endpointKey(address, device),
    port,
    ...(localAddress !== undefined && { localAddress: endpointKey(localAddress, device) }),
    ...(localPort !== undefined && { localPort }),
    options: tcpOptionsOf(peer),
  };
}
