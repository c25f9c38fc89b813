import { IpAddress } from "../../net/address.ts";
import { Writer } from "../packet/writer.ts";

const bmpVersion = 3;
const commonHeaderLength = 6;

/** RFC 7854 §4.1. */
const MessageType = {
  routeMonitoring: 0,
  statistics: 1,
  peerDown: 2,
  peerUp: 3,
  initiation: 4,
  termination: 5,
} as const;

/** RFC 7854 §4.2, RFC 9069 §4.1. */
const PeerType = { global: 0, locRib: 3 } as const;

/** RFC 7854 §4.2: V, L, A; RFC 8671 §4: O. */
const PeerFlag = { ipv6: 0x80, postPolicy: 0x40, legacyAsPath: 0x20, adjRibOut: 0x10 } as const;

/** Whose routes a message is about. */
export interface BmpPeer {
  /** locRib is the router's own choice (RFC 9069); the others are one neighbour's routes before policy and after it. */
  readonly view: "adj-rib-in" | "adj-rib-out" | "loc-rib";
  /** Of the neighbour; not used for the Loc-RIB. */
  readonly address: IpAddress;
  readonly asNumber: number;
  readonly identifier: number;
  /** AS numbers in its UPDATEs have two octets. */
  readonly twoOctetAs: boolean;
}

/** Why a session is down (RFC 7854 §4.9), as far as we can tell. */
export type BmpDownReason =
  | { readonly kind: "local-notification"; readonly message: Uint8Array }
  | { readonly kind: "local"; readonly fsmEvent: number }
  | { readonly kind: "remote-notification"; readonly message: Uint8Array }
  | { readonly kind: "remote" }
  | { readonly kind: "deconfigured" };

/** Gauges and counters by their number (RFC 7854 §4.8, RFC 8671 §6.2); 64-bit ones have `wide`. */
export interface BmpStatistic {
  readonly type: number;
  readonly value: number;
  readonly wide: boolean;
}

/** RFC 7854 §4.3: who we are. */
export function encodeInitiation(description: string, name: string): Uint8Array {
  const body = new Writer();
  for (const [type, text] of [
    [1, description],
    [2, name],
  ] as const)
    writeTlv(body, type, Buffer.from(text));
  return build(MessageType.initiation, body);
}

/** RFC 7854 §4.5, reason 0: the station is configured no more, or we stop. */
export function encodeTermination(): Uint8Array {
  const body = new Writer();
  writeTlv(body, 1, Uint8Array.of(0, 0));
  return build(MessageType.termination, body);
}

/** RFC 7854 §4.10; the OPENs are whole messages. */
export function encodePeerUp(
  peer: BmpPeer,
  timeMs: number,
  session: {
    readonly localAddress: IpAddress;
    readonly localPort: number;
    readonly remotePort: number;
    readonly sentOpen: Uint8Array;
    readonly receivedOpen: Uint8Array;
  },
): Uint8Array {
  const body = new Writer();
  writePeer(body, peer, timeMs);
  writeAddress(body, session.localAddress);
  body.u16(session.localPort).u16(session.remotePort).bytes(session.sentOpen).bytes(session.receivedOpen);
  // RFC 9069 §4.4: which table it is.
  if (peer.view === "loc-rib") writeTlv(body, 3, Buffer.from("global"));
  return build(MessageType.peerUp, body);
}

/** RFC 7854 §4.9. */
export function encodePeerDown(peer: BmpPeer, timeMs: number, reason: BmpDownReason): Uint8Array {
  const body = new Writer();
  writePeer(body, peer, timeMs);
  switch (reason.kind) {
    case "local-notification":
      body.u8(1).bytes(reason.message);
      break;
    case "local":
      body.u8(2).u16(reason.fsmEvent);
      break;
    case "remote-notification":
      body.u8(3).bytes(reason.message);
      break;
    case "remote":
      body.u8(4);
      break;
    case "deconfigured":
      body.u8(5);
  }
  return build(MessageType.peerDown, body);
}

/** RFC 7854 §4.6: one whole UPDATE. */
export function encodeRouteMonitoring(peer: BmpPeer, timeMs: number, update: Uint8Array): Uint8Array {
  const body = new Writer(update.length + 64);
  writePeer(body, peer, timeMs);
  body.bytes(update);
  return build(MessageType.routeMonitoring, body);
}

/** RFC 7854 §4.8. */
export function encodeStatistics(peer: BmpPeer, timeMs: number, statistics: readonly BmpStatistic[]): Uint8Array {
  const body = new Writer();
  writePeer(body, peer, timeMs);
  body.u32(statistics.length);
  for (const { type, value, wide } of statistics) {
    const octets = new Writer(8);
    writeTlv(body, type, (wide ? octets.u64(BigInt(value)) : octets.u32(value)).toBytes());
  }
  return build(MessageType.statistics, body);
}

function build(type: number, body: Writer): Uint8Array {
  return new Writer(body.length + commonHeaderLength)
    .u8(bmpVersion)
    .u32(body.length + commonHeaderLength)
    .u8(type)
    .bytes(body.toBytes())
    .toBytes();
}

/** RFC 7854 §4.2; for the Loc-RIB address and flags are zero (RFC 9069 §4.2). */
function writePeer(body: Writer, peer: BmpPeer, timeMs: number): void {
  const isLocRib = peer.view === "loc-rib";
  let flags = 0;
  if (!isLocRib) {
    if (peer.address.family === 6) flags |= PeerFlag.ipv6;
    if (peer.twoOctetAs) flags |= PeerFlag.legacyAsPath;
    if (peer.view === "adj-rib-out") flags |= PeerFlag.adjRibOut | PeerFlag.postPolicy;
  }
  body.u8(isLocRib ? PeerType.locRib : PeerType.global).u8(flags);
  body.u64(0n);
  writeAddress(body, isLocRib ? IpAddress.v4(0) : peer.address);
  body.u32(peer.asNumber).u32(peer.identifier);
  body.u32(Math.floor(timeMs / 1000)).u32(Math.floor(timeMs % 1000) * 1000);
}

/** 16 octets; an IPv4 address is in the last four. */
function writeAddress(body: Writer, address: IpAddress): void {
  if (address.family === 4) body.u64(0n).u32(0);
  body.address(address);
}

function writeTlv(body: Writer, type: number, value: Uint8Array): void {
  body.u16(type).u16(value.length).bytes(value);
}
