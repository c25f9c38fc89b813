import type { IpAddress } from "../../net/address.ts";
import { PrefixMap } from "../../net/prefix-map.ts";
import type { MonitoredSession, MonitorSource } from "../monitor.ts";
import { BgpPacketError } from "../packet/errors.ts";
import { encodePathAttributes } from "../packet/update-encode.ts";
import type { ReceivedRoute } from "../paths.ts";
import { encodePeerIndexTable, encodeRibEntries, type MrtEntry } from "./record.ts";

/** Who writes a dump. */
export interface MrtCollector {
  readonly identifier: number;
  /** One of each family, the first of them for itself as a peer; the next hops of routes of our own. */
  readonly addresses: readonly [IpAddress, ...IpAddress[]];
  readonly asNumber: number;
  readonly viewName: string;
}

/** After so many routes the caller gets an empty record, so that it can let others work. */
const routesPerBreath = 1_000;
const noRecord = new Uint8Array(0);

/**
 * All Adj-RIBs-In before policy, and our own routes as those of a peer that is ourselves, as TABLE_DUMP_V2 records
 * (RFC 6396 §4.3, RFC 8050), with empty ones between while routes are gathered. `now` is when the dump is made. Routes that no
 * attribute list can describe are left out.
 */
export function* dumpTables(
  source: Pick<MonitorSource, "sessions" | "adjRibIn" | "locRib">,
  collector: MrtCollector,
  now: { readonly wallMs: number },
): IterableIterator<Uint8Array> {
  const sessions = [...source.sessions()];
  const [address] = collector.addresses;
  yield encodePeerIndexTable(now.wallMs, collector, [
    ...sessions.map(({ peer, remoteIdentifier }) => ({
      identifier: remoteIdentifier,
      address: peer.address,
      asNumber: peer.remoteAs,
    })),
    { ...collector, address },
  ]);
  const originatedSec = Math.floor(now.wallMs / 1000);
  const entries = new PrefixMap<MrtEntry[]>();
  let routes = 0;
  for (const { route, peerIndex, pathId } of routesOf(source, sessions)) {
    if (++routes % routesPerBreath === 0) yield noRecord;
    const attributes = attributesOf(route, collector.addresses);
    if (attributes === undefined) continue;
    const known = entries.get(route.prefix);
    const entry = { peerIndex, originatedSec, pathId, attributes };
    if (known === undefined) entries.set(route.prefix, [entry]);
    else known.push(entry);
  }
  let sequence = 0;
  for (const [prefix, all] of entries) {
    // Entries with and without path identifiers have records of different kinds.
    for (const group of [
      all.filter(({ pathId }) => pathId === undefined),
      all.filter(({ pathId }) => pathId !== undefined),
    ])
      if (group.length > 0) yield encodeRibEntries(now.wallMs, sequence++, prefix, group);
  }
}

/** The routes of all sessions and then our own, with the peer's place in the table of peers. */
function* routesOf(
  source: Pick<MonitorSource, "adjRibIn" | "locRib">,
  sessions: readonly MonitoredSession[],
): IterableIterator<{ route: ReceivedRoute; peerIndex: number; pathId: number | undefined }> {
  for (const [peerIndex, session] of sessions.entries())
    for (const route of source.adjRibIn(session.peer.name))
      yield { route, peerIndex, pathId: hasPathIds(session, route) ? route.pathId : undefined };
  for (const { paths } of source.locRib())
    for (const path of paths)
      if (path.source.kind === "local") yield { route: path, peerIndex: sessions.length, pathId: undefined };
}

function hasPathIds({ context }: MonitoredSession, { prefix }: ReceivedRoute): boolean {
  return context.addPathReceive.includes(prefix.family === 4 ? "ipv4-unicast" : "ipv6-unicast");
}

function attributesOf(
  { attributes, nextHop, prefix }: ReceivedRoute,
  ownAddresses: readonly IpAddress[],
): Uint8Array | undefined {
  const address = nextHop?.address ?? ownAddresses.find(({ family }) => family === prefix.family);
  if (address === undefined) return undefined;
  try {
    return encodePathAttributes(attributes, nextHop ?? { address });
  } catch (error) {
    if (error instanceof BgpPacketError) return undefined;
    throw error;
  }
}
