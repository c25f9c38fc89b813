import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import { Writer } from "../packet/writer.ts";

/** RFC 6396 §4. */
const MrtType = { tableDumpV2: 13, bgp4mpExtendedTime: 17 } as const;
const TableDump = {
  peerIndexTable: 1,
  ribIpv4Unicast: 2,
  ribIpv6Unicast: 4,
  ribIpv4AddPath: 8,
  ribIpv6AddPath: 10,
} as const;
const Bgp4mp = { message: 1, messageAs4: 4, stateChangeAs4: 5, messageAddPath: 8, messageAs4AddPath: 9 } as const;

/** RFC 6396 §4.4.1: the states of RFC 4271 by number. */
const stateNumbers = { Idle: 1, Connect: 2, Active: 3, OpenSent: 4, OpenConfirm: 5, Established: 6 } as const;

export type MrtState = keyof typeof stateNumbers;

/** Both ends of a session. */
export interface MrtSession {
  readonly remoteAs: number;
  readonly localAs: number;
  readonly remoteAddress: IpAddress;
  readonly localAddress: IpAddress;
}

/** A neighbour in a table dump; routes name it by its place in the list. */
export interface MrtPeer {
  readonly identifier: number;
  readonly address: IpAddress;
  readonly asNumber: number;
}

/** One path of a prefix in a table dump. */
export interface MrtEntry {
  readonly peerIndex: number;
  /** Unix seconds. */
  readonly originatedSec: number;
  /** RFC 8050; undefined if the session has no path identifiers. */
  readonly pathId: number | undefined;
  /** Path attributes as on the wire, with AS numbers of four octets. */
  readonly attributes: Uint8Array;
}

/** RFC 6396 §4.3.1. */
export function encodePeerIndexTable(
  timeMs: number,
  collector: { readonly identifier: number; readonly viewName: string },
  peers: readonly MrtPeer[],
): Uint8Array {
  const name = Buffer.from(collector.viewName);
  const body = new Writer().u32(collector.identifier).u16(name.length).bytes(name).u16(peers.length);
  // Bit 0: IPv6, bit 1: an AS number of four octets.
  for (const { identifier, address, asNumber } of peers)
    body
      .u8((address.family === 6 ? 1 : 0) | 2)
      .u32(identifier)
      .address(address)
      .u32(asNumber);
  return record(timeMs, MrtType.tableDumpV2, TableDump.peerIndexTable, body);
}

/** RFC 6396 §4.3.2, RFC 8050 §4. All entries have a path identifier, or none has. */
export function encodeRibEntries(
  timeMs: number,
  sequence: number,
  prefix: Prefix,
  entries: readonly MrtEntry[],
): Uint8Array {
  const hasPathIds = entries.some(({ pathId }) => pathId !== undefined);
  const octets = Math.ceil(prefix.length / 8);
  const body = new Writer().u32(sequence).u8(prefix.length).bytes(prefix.address.toBytes().subarray(0, octets));
  body.u16(entries.length);
  for (const { peerIndex, originatedSec, pathId, attributes } of entries) {
    body.u16(peerIndex).u32(originatedSec);
    if (hasPathIds) body.u32(pathId ?? 0);
    body.u16(attributes.length).bytes(attributes);
  }
  const plain = prefix.family === 4 ? TableDump.ribIpv4Unicast : TableDump.ribIpv6Unicast;
  const withIds = prefix.family === 4 ? TableDump.ribIpv4AddPath : TableDump.ribIpv6AddPath;
  return record(timeMs, MrtType.tableDumpV2, hasPathIds ? withIds : plain, body);
}

/** RFC 6396 §4.4.2, §4.4.3 with the microseconds of §3, RFC 8050 §3: a whole message that the peer sent. */
export function encodeMessage(
  timeMs: number,
  session: MrtSession,
  /** How it has to be read: AS numbers of two octets, path identifiers (RFC 7911) in front of its prefixes. */
  { twoOctetAs, pathIds }: { readonly twoOctetAs: boolean; readonly pathIds: boolean },
  message: Uint8Array,
): Uint8Array {
  const body = new Writer(message.length + 64);
  writeSession(body, session, twoOctetAs);
  body.bytes(message);
  const plain = twoOctetAs ? Bgp4mp.message : Bgp4mp.messageAs4;
  const withIds = twoOctetAs ? Bgp4mp.messageAddPath : Bgp4mp.messageAs4AddPath;
  return record(timeMs, MrtType.bgp4mpExtendedTime, pathIds ? withIds : plain, body);
}

/** RFC 6396 §4.4.4. */
export function encodeStateChange(timeMs: number, session: MrtSession, from: MrtState, to: MrtState): Uint8Array {
  const body = new Writer();
  writeSession(body, session, false);
  body.u16(stateNumbers[from]).u16(stateNumbers[to]);
  return record(timeMs, MrtType.bgp4mpExtendedTime, Bgp4mp.stateChangeAs4, body);
}

/** Interface index 0, since the session is not bound to one. */
function writeSession(body: Writer, session: MrtSession, twoOctetAs: boolean): void {
  for (const asNumber of [session.remoteAs, session.localAs])
    if (twoOctetAs) body.u16(asNumber > 0xffff ? 23_456 : asNumber);
    else body.u32(asNumber);
  body.u16(0).u16(session.remoteAddress.family === 6 ? 2 : 1);
  body.address(session.remoteAddress).address(session.localAddress);
}

function record(timeMs: number, type: number, subtype: number, body: Writer): Uint8Array {
  const isExtended = type === MrtType.bgp4mpExtendedTime;
  const head = new Writer(body.length + 16)
    .u32(Math.floor(timeMs / 1000))
    .u16(type)
    .u16(subtype);
  head.u32(body.length + (isExtended ? 4 : 0));
  if (isExtended) head.u32(Math.floor((timeMs % 1000) * 1000));
  return head.bytes(body.toBytes()).toBytes();
}
