import type { IpAddress } from "../net/address.ts";
import type { PathAttributes } from "./packet/attributes.ts";
import type { Family } from "./packet/family.ts";
import type { PathSource } from "./paths.ts";
import { PolicyRunner } from "./policy/apply.ts";
import type { Policy } from "./policy/types.ts";
import type { ImportSide } from "./rib/adj-rib-in.ts";
import type { AsPathExport } from "./rib/as-path-export.ts";
import type { ExportProfile } from "./rib/export-rules.ts";
import { createImportSide } from "./rib/import-rules.ts";
import { roleOf } from "./roles.ts";
import type { NegotiatedSession, PeerConfig } from "./types.ts";

/** What the rules of a peer need of the speaker. */
export interface SpeakerRules {
  readonly routerId: number;
  readonly intern: (attributes: PathAttributes) => PathAttributes;
  /** RFC 8212: an eBGP peer without a policy gives and gets no routes. */
  readonly requirePolicy: boolean;
  /** Next hop self per family; for one without it the session's own address, if that is of the family. */
  readonly ownNextHops: Readonly<Partial<Record<Family, IpAddress>>>;
  /** For a family for which neither of them is there. */
  readonly spareNextHops: Readonly<Partial<Record<Family, IpAddress>>>;
}

const acceptAll: Policy = { name: "none", rules: [], defaultAction: "accept" };
const rejectAll: Policy = { name: "none (RFC 8212 wants one for eBGP)", rules: [], defaultAction: "reject" };

const typeOf = ({ localAs, remoteAs }: PeerConfig): "ibgp" | "ebgp" => (localAs === remoteAs ? "ibgp" : "ebgp");

function policyOf(config: PeerConfig, policy: Policy | undefined, { requirePolicy }: SpeakerRules): Policy {
  return policy ?? (requirePolicy && typeOf(config) === "ebgp" ? rejectAll : acceptAll);
}

/** What is made of the routes that a peer sends. */
export function importSideOf(
  config: PeerConfig,
  speaker: SpeakerRules,
  isOwnAddress: (address: IpAddress) => boolean,
): ImportSide {
  const { routerId, intern } = speaker;
  const role = roleOf(config);
  return createImportSide({
    peerType: typeOf(config),
    localAs: config.localAs,
    ...(role !== undefined && { leakPrevention: { role: role.local, remoteAs: config.remoteAs, intern } }),
    allowLocalAs: config.allowLocalAs,
    routerId,
    clusterId: config.clusterId ?? routerId,
    isOwnAddress,
    policy: new PolicyRunner(policyOf(config, config.importPolicy, speaker), intern),
    treatment: config.treatment ?? {},
    intern,
  });
}

/** How routes have to be exported to a peer over this session. */
export function exportProfileOf(config: PeerConfig, session: NegotiatedSession, speaker: SpeakerRules): ExportProfile {
  const { localAs, routeReflectorClient, nextHopMode, clusterId, treatment } = config;
  const role = roleOf(config);
  const asPath = session.peerType === "ebgp" ? asPathExportOf(config) : undefined;
  return {
    policy: policyOf(config, config.exportPolicy, speaker),
    addPathLimits: addPathLimits(config),
    localAs,
    ...(asPath !== undefined && { asPath }),
    ...(treatment?.announceGracefulShutdown === true && { gracefulShutdown: true }),
    routeReflectorClient,
    clusterId: clusterId ?? speaker.routerId,
    nextHopMode,
    ...(session.longLivedGracefulRestart !== undefined && { longLivedStale: true }),
    ...(role !== undefined && { role: role.local }),
    selfAddresses: selfAddresses(session, speaker),
    context: {
      peerType: session.peerType,
      fourOctetAs: session.fourOctetAs,
      maxMessageLength: session.maxMessageLength,
      families: session.families,
      addPathSend: session.addPathSend,
      ...(session.ipv4OverIpv6 === true && { ipv4OverIpv6: true }),
      // What the peer sends has no influence on what it is sent, and must not split groups.
      addPathReceive: [],
    },
  };
}

/** RFC 8950: a session over IPv6 that may have such next hops for IPv4 routes needs no IPv4 address. */
function selfAddresses(
  { localAddress, ipv4OverIpv6 }: NegotiatedSession,
  { ownNextHops, spareNextHops }: SpeakerRules,
): ExportProfile["selfAddresses"] {
  if (localAddress.family === 4) return { ...spareNextHops, "ipv4-unicast": localAddress, ...ownNextHops };
  const own = { ...spareNextHops, "ipv6-unicast": localAddress, ...ownNextHops };
  return ipv4OverIpv6 === true ? { ...own, "ipv4-unicast": localAddress } : own;
}

/** Undefined where nothing but our number goes in front. */
function asPathExportOf({ localAs, remoteAs, treatment = {} }: PeerConfig): AsPathExport | undefined {
  const { localAs: standIn, removePrivateAs, asOverride } = treatment;
  if (standIn === undefined && removePrivateAs === undefined && asOverride !== true) return undefined;
  return {
    prepend: standIn === undefined || standIn.replaceReal ? [localAs] : [localAs, standIn.realAs],
    ...(asOverride === true && { override: { peer: remoteAs, by: localAs } }),
    ...(removePrivateAs !== undefined && {
      private: { peer: remoteAs, by: removePrivateAs === "replace" ? localAs : undefined },
    }),
  };
}

function addPathLimits({ addPath = {} }: PeerConfig): ExportProfile["addPathLimits"] {
  const limits: Partial<Record<Family, number>> = {};
  for (const family of ["ipv4-unicast", "ipv6-unicast"] as const) {
    const send = addPath[family]?.send;
    if (typeof send === "number") limits[family] = send;
  }
  return limits;
}

/** What stands in every path from this peer. */
export function sourceOf(config: PeerConfig, identifier: number): PathSource {
  return {
    kind: "peer",
    peer: config.name,
    address: config.address,
    type: typeOf(config),
    remoteAs: config.remoteAs,
    identifier,
    routeReflectorClient: config.routeReflectorClient,
    ...(config.treatment?.honourBlackhole === true && { mayBlackhole: true }),
  };
}
