import type { IpAddress } from "../net/address.ts";
import type { DropReason } from "./packet.ts";

/**
 * What packets are carried in between the nodes: IP protocol 4 (RFC 2003), as the kernel's tunl0 does it, or UDP with
 * nothing but the packet as payload, as flannel's udp backend does it, between this port of all nodes.
 */
export type Carrier =
  | { readonly kind: "ipip" }
  | { readonly kind: "udp"; readonly localAddress: IpAddress; readonly port: number };

/** A carrier's part of what the forwarding thread has to know. */
export type CarrierWire =
  | { readonly kind: "ipip" }
  | {
      readonly kind: "udp";
      readonly port: number;
      /** The kernel can cut what is sent into datagrams. */
      readonly segments: boolean;
    };

/** What the forwarding thread gets when it starts: descriptors that the main thread opened and will close. */
export interface ForwarderSetup {
  /** eventfd that the main thread adds to after posting a command. */
  readonly wakeFd: number;
  readonly wire: CarrierWire;
  /** Of IPIP: a raw socket of protocol 4 that takes packets with their header. Of UDP: the bound socket. */
  readonly socketFd: number;
  /** A raw socket for packets with their header, to answer pods. */
  readonly replyFd: number;
  /** A socket for `pathMtu`. */
  readonly probeFd: number;
  /** A number per counter, in the order of `counterNames` and then `dropReasons`; only the thread writes. */
  readonly counters: Float64Array<SharedArrayBuffer>;
}

/** Besides those there is one for every reason to drop a packet. */
export const counterNames = ["sent", "received"] as const;

/** Packets since the thread was started. */
export interface TunnelCounters {
  readonly sent: number;
  readonly received: number;
  readonly dropped: Readonly<Record<DropReason, number>>;
}

/** How packets of the device are carried. */
export interface TunnelUse {
  readonly mtu: number;
  /** No outer packet may be fragmented; otherwise that is as the inner packet says. */
  readonly pmtuDiscovery: boolean;
}

/** The device as the forwarding thread knows it. */
export interface TunnelEnd extends TunnelUse {
  readonly tunFd: number;
}

/** From the main thread to the forwarding thread. */
export type ForwarderCommand =
  /** Another descriptor of the TUN device, or other properties of the same one. */
  | { readonly kind: "device"; readonly end: TunnelEnd }
  /** For each prefix its address, its length, and a number of nodes followed by their addresses; no nodes removes it. */
  | { readonly kind: "routes"; readonly words: Uint32Array<ArrayBuffer> }
  /** Addresses of all nodes, from which packets in UDP are accepted as from those that routes lead to. */
  | { readonly kind: "peers"; readonly addresses: Uint32Array<ArrayBuffer> }
  | { readonly kind: "close" };

/** From the forwarding thread to the main thread. */
export type ForwarderReport =
  | { readonly kind: "ready" }
  /** The thread does not use this descriptor any more, because it has another one. */
  | { readonly kind: "released"; readonly tunFd: number }
  /** The thread does not use this descriptor any more, because its device has been deleted. */
  | { readonly kind: "device-gone"; readonly tunFd: number };
