import type { IpAddress } from "../net/address.ts";
import type { Family } from "./packet/family.ts";
import type { ExportProfile } from "./rib/export-rules.ts";
import { roleOf } from "./roles.ts";
import type { NegotiatedSession, PeerConfig } from "./types.ts";

/** What of the whole speaker decides how routes are exported. */
export interface ExportOrigin {
  readonly routerId: number;
  /** Next hop self per family; for one without it the session's own address, if that is of the family. */
  readonly ownNextHops: Readonly<Partial<Record<Family, IpAddress>>>;
}

/** How routes have to be exported to a peer of this configuration on this session. */
export function exportProfileOf(config: PeerConfig, session: NegotiatedSession, origin: ExportOrigin): ExportProfile {
  const { exportPolicy, localAs, routeReflectorClient, nextHopMode, clusterId } = config;
  const role = roleOf(config);
  return {
    policy: exportPolicy,
    addPathLimits: addPathLimits(config),
    localAs,
    routeReflectorClient,
    clusterId: clusterId ?? origin.routerId,
    nextHopMode,
    ...(role === undefined ? {} : { role: role.local }),
    selfAddresses: selfAddresses(session, origin),
    context: {
      peerType: session.peerType,
      fourOctetAs: session.fourOctetAs,
      maxMessageLength: session.maxMessageLength,
      families: session.families,
      addPathSend: session.addPathSend,
      ...(session.ipv4OverIpv6 === true ? { ipv4OverIpv6: true } : {}),
      // What the peer sends has no influence on what it is sent, and must not split groups.
      addPathReceive: [],
    },
  };
}

function addPathLimits({ addPath = {} }: PeerConfig): ExportProfile["addPathLimits"] {
  const limits: Partial<Record<Family, number>> = {};
  for (const [family, settings] of Object.entries(addPath))
    if (typeof settings?.send === "number") limits[family as Family] = settings.send;
  return limits;
}

/** RFC 8950: a session over IPv6 that may have such next hops for IPv4 routes needs no IPv4 address. */
function selfAddresses(
  { localAddress, ipv4OverIpv6 }: NegotiatedSession,
  { ownNextHops }: ExportOrigin,
): ExportProfile["selfAddresses"] {
  if (localAddress.family === 4) return { "ipv4-unicast": localAddress, ...ownNextHops };
  const own = { "ipv6-unicast": localAddress, ...ownNextHops };
  return ipv4OverIpv6 === true ? { ...own, "ipv4-unicast": localAddress } : own;
}
