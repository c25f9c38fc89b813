import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import type { Family } from "../../src/bgp/packet/family.ts";
import { WellKnownCommunity } from "../../src/bgp/packet/well-known-communities.ts";
import type { Policy } from "../../src/bgp/policy/types.ts";
import type { NegotiatedSession, PeerConfig } from "../../src/bgp/types.ts";
import { addressOf, attributesOf, peerConfigOf, prefixOf } from "./bgp.ts";

const both: readonly Family[] = ["ipv4-unicast", "ipv6-unicast"];

/**
 * Two clients, a plain iBGP peer, two eBGP peers of one AS, of which one takes long messages, two clients that hear of several paths, one
 * that may not have many routes, and one of old: AS numbers of two octets, and no graceful restart.
 */
const kinds: readonly Partial<PeerConfig>[] = [
  { routeReflectorClient: true, families: both },
  { routeReflectorClient: true, families: both },
  {},
  { remoteAs: 65001, families: both },
  { remoteAs: 65001, families: both },
  {
    routeReflectorClient: true,
    families: both,
    addPath: { "ipv4-unicast": { receive: true, send: "all" }, "ipv6-unicast": { receive: true, send: "all" } },
  },
  { routeReflectorClient: true, families: both, addPath: { "ipv4-unicast": { receive: true, send: 2 } } },
  { remoteAs: 65002, families: both, maxPrefix: { "ipv4-unicast": { limit: 5, action: "discard" } } },
  { remoteAs: 65003 },
];
export const peerCount = kinds.length;
const ofLongMessages = 4;
const ofOld = 8;

export const policies: readonly Policy[] = [
  { name: "all", rules: [], defaultAction: "accept" },
  {
    name: "no 10.1",
    rules: [
      {
        name: "10.1",
        match: {
          prefixes: ["10.1.0.0/16", "2001:db8:1::/48"].map((text) => ({ prefix: prefixOf(text), operator: "in" })),
        },
        action: "reject",
      },
    ],
    defaultAction: "accept",
  },
  {
    name: "prefer 10.2",
    rules: [
      {
        name: "10.2",
        match: { prefixes: [{ prefix: prefixOf("10.2.0.0/16"), operator: "in" }] },
        action: "accept",
        operations: [
          { type: "set-local-pref", value: 200 },
          { type: "add-communities", communities: [7] },
        ],
      },
    ],
    defaultAction: "accept",
  },
];

export function configOf(index: number, importPolicy: number, exportPolicy: number, holdTimeSec = 90): PeerConfig {
  return peerConfigOf(
    { name: `peer-${index}`, address: `10.0.0.${index + 1}`, port: 179 },
    {
      ...(index !== ofOld && { gracefulRestart: { restartTimeSec: 120 } }),
      holdTimeSec,
      ...policyOf("importPolicy", importPolicy),
      ...policyOf("exportPolicy", exportPolicy),
      ...kinds[index],
    },
  );
}

function policyOf(key: "importPolicy" | "exportPolicy", index: number): Partial<PeerConfig> {
  const policy = policies[index];
  return policy === undefined ? {} : { [key]: policy };
}

/** Every other peer wants its routes kept for long, and knows what such routes of others are. */
export const knowsLongLived = ({ name, gracefulRestart }: PeerConfig): boolean =>
  gracefulRestart !== undefined && Number(name.slice(-1)) % 2 === 0;

/** What was agreed on with a peer that has kept its routes of these families. */
export function agreementWith(config: PeerConfig, preserved: readonly Family[] = []): Partial<NegotiatedSession> {
  const { families, addPath = {} } = config;
  const perFamily = <Value>(value: (family: Family) => Value) =>
    new Map(families.map((family): [Family, Value] => [family, value(family)]));
  return {
    fourOctetAs: config.name !== `peer-${ofOld}`,
    maxMessageLength: config.name === `peer-${ofLongMessages}` ? 65_535 : 4096,
    addPathReceive: families.filter((family) => addPath[family]?.receive === true),
    addPathSend: families.filter((family) => addPath[family]?.send !== undefined),
    ...(config.gracefulRestart !== undefined && {
      gracefulRestart: {
        restarting: preserved.length > 0,
        restartTimeSec: 120,
        families: perFamily((family) => preserved.includes(family)),
        notification: true,
      },
    }),
    enhancedRouteRefresh: true,
    ...(knowsLongLived(config) && {
      longLivedGracefulRestart: perFamily((family) => ({
        staleTimeSec: 1_000_000,
        preserved: preserved.includes(family),
      })),
    }),
  };
}

const { noExport, noAdvertise, noLongLivedStale } = WellKnownCommunity;

/** What routes may have; those of peers of another AS begin with it. */
const attributeSets: readonly Partial<PathAttributes>[] = [
  {},
  { med: 0 },
  { med: 2 },
  { localPref: 200 },
  { asPath: [{ type: "sequence", asNumbers: [65100] }] },
  { asPath: [{ type: "sequence", asNumbers: [64512] }] },
  {
    asPath: [{ type: "sequence", asNumbers: [4_200_000_000, 65101] }],
    aggregator: { asNumber: 65101, address: addressOf("192.0.2.7") },
  },
  { communities: [noExport] },
  { communities: [noAdvertise] },
  { communities: [noLongLivedStale, 65001] },
  { communities: Array.from({ length: 80 }, (_, index) => 0x10000 + index) },
  {
    atomicAggregate: true,
    extendedCommunities: [0x0002_fde8_0000_0001n, 0x4002_fde8_0000_0001n],
    largeCommunities: [{ global: 1, local1: 2, local2: 3 }],
    unknown: [{ flags: 0xe0, code: 99, value: Uint8Array.of(1, 2, 3) }],
  },
  { originatorId: 0x0a000064 },
  { originatorId: 0x0a000007, clusterList: [9, 8] },
  { origin: 2 },
];
export const attributeSetCount = attributeSets.length;

export function attributesFrom(config: PeerConfig, set: number): PathAttributes {
  const chosen = attributeSets[set % attributeSetCount] ?? {};
  const own = attributesOf([], config.remoteAs === config.localAs ? { localPref: 100, ...chosen } : chosen);
  if (config.remoteAs === config.localAs) return own;
  return { ...own, asPath: [{ type: "sequence", asNumbers: [config.remoteAs] }, ...own.asPath] };
}

/** What there may be routes to: few, so that peers meet. */
export const prefixTexts: Readonly<Record<Family, readonly string[]>> = {
  "ipv4-unicast": [
    ...["10.1.0.0/26", "10.1.0.64/26", "10.2.0.0/26", "10.2.0.64/26", "10.1.0.0/27", "10.1.0.0/16"],
    ...["0.0.0.0/0", "128.0.0.0/1", "10.0.0.0/8", "192.0.2.1/32"],
  ],
  "ipv6-unicast": [
    ...["2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2:8000::/65"],
    ...["::/0", "2001:db8::1/128"],
  ],
};

/** One of many prefixes, for bursts. */
export function manyPrefix(family: Family, index: number): string {
  if (family === "ipv6-unicast") return `2001:db8:ff:${index.toString(16)}::/64`;
  return `10.${64 + (index >> 10)}.${(index >> 2) & 255}.${(index & 3) * 64}/26`;
}

export const ownAddresses: Readonly<Record<Family, string>> = {
  "ipv4-unicast": "10.0.0.100",
  "ipv6-unicast": "fd00::64",
};

/** Somebody else's, our own, one on no link, or the peer's (index 3). */
export function nextHopText(family: Family, peer: number, choice: number): string {
  const own = peer + 1;
  const texts =
    family === "ipv4-unicast"
      ? ["10.0.0.2", ownAddresses[family], "192.0.2.33", `10.0.0.${own}`]
      : ["fd00::2", ownAddresses[family], "fd00::21", `fd00::${own}`];
  return texts[Math.min(choice, 3)] ?? "";
}

/** Those that may be out of reach; our own is never reached through anybody. */
export const nextHopTexts: readonly string[] = [
  ...["192.0.2.33", "fd00::21"],
  ...kinds.flatMap((_, index) => [`10.0.0.${index + 1}`, `fd00::${index + 1}`]),
];
