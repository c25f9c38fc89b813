import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import type { NextHop } from "../../src/bgp/packet/message.ts";
import { WellKnownCommunity } from "../../src/bgp/packet/well-known-communities.ts";
import { PolicyRunner } from "../../src/bgp/policy/apply.ts";
import type { Policy } from "../../src/bgp/policy/types.ts";
import { AttributeStore } from "../../src/bgp/rib/attribute-store.ts";
import { decide, rank } from "../../src/bgp/rib/decision.ts";
import { type Candidate, defaultDecisionOptions } from "../../src/bgp/rib/decision-steps.ts";
import { ExportRules } from "../../src/bgp/rib/export-rules.ts";
import { createImportRules } from "../../src/bgp/rib/import-rules.ts";
import type { Path, PathSource, PeerConfig } from "../../src/bgp/types.ts";
import { acceptPolicy, addressOf, attributesOf, contextOf, pathOf, peerConfigOf, prefixOf } from "./bgp.ts";

const self = addressOf("10.0.0.100");
const routerId = 0x0a000064;
/** What there may be routes to. */
export const prefixes = ["10.1.0.0/26", "10.1.0.64/26", "10.2.0.0/26", "10.2.0.64/26"];

export const policies: readonly Policy[] = [
  { name: "all", rules: [], defaultAction: "accept" },
  {
    name: "no 10.1",
    rules: [
      { name: "10.1", match: { prefixes: [{ prefix: prefixOf("10.1.0.0/16"), operator: "in" }] }, action: "reject" },
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

/** Two clients, a plain iBGP peer, two eBGP peers of one AS, and two clients that hear of several paths. */
export const kinds = [
  { routeReflectorClient: true },
  { routeReflectorClient: true },
  {},
  { remoteAs: 65001 },
  { remoteAs: 65001 },
  { routeReflectorClient: true, addPath: { "ipv4-unicast": { receive: true, send: "all" } } },
  { routeReflectorClient: true, addPath: { "ipv4-unicast": { receive: true, send: 2 } } },
] as const;
export const configOf = (index: number, importPolicy: number, exportPolicy: number): PeerConfig =>
  peerConfigOf(
    { name: `peer-${index}`, address: `10.0.0.${index + 1}`, port: 179 },
    {
      gracefulRestart: { restartTimeSec: 120 },
      importPolicy: policies[importPolicy] ?? policies[0] ?? { name: "", rules: [], defaultAction: "accept" },
      exportPolicy: policies[exportPolicy] ?? policies[0] ?? { name: "", rules: [], defaultAction: "accept" },
      ...kinds[index],
    },
  );

/** Every other peer wants its routes kept for long, and knows what such routes of others are. */
export const knowsLongLived = ({ name }: PeerConfig): boolean => Number(name.slice(-1)) % 2 === 0;

interface ModelRoute {
  readonly prefix: string;
  readonly pathId: number;
  attributes: PathAttributes;
  readonly nextHop: string;
  stale: boolean;
}

interface ModelPeer {
  config: PeerConfig;
  up: boolean;
  /** It has sent End-of-RIB on this session. */
  isComplete: boolean;
  /** The keys of routes that it has not announced again since it began to (RFC 7313). */
  unrefreshed: Set<string> | undefined;
  /** By prefix and path identifier. */
  readonly routes: Map<string, ModelRoute>;
}

/** Only those who may send several paths have identifiers. */
export const pathIdOf = ({ config }: ModelPeer, pathId: number): number => (config.addPath === undefined ? 0 : pathId);
export const routeKey = (prefix: string, pathId: number): string => `${prefix} ${pathId}`;

/** The same speaker as plain maps, computed anew every time: no groups, no lanes, no interning, no batches. */
export class Model {
  readonly peers = kinds.map(
    (_, index): ModelPeer => ({
      config: configOf(index, 0, 0),
      up: false,
      isComplete: false,
      unrefreshed: undefined,
      routes: new Map(),
    }),
  );
  readonly originated = new Set<string>();
  readonly unreachable = new Set<string>();

  source({ config }: ModelPeer): PathSource {
    return {
      kind: "peer",
      peer: config.name,
      address: config.address,
      type: config.remoteAs === config.localAs ? "ibgp" : "ebgp",
      remoteAs: config.remoteAs,
      identifier: config.address.w0,
      routeReflectorClient: config.routeReflectorClient,
    };
  }

  chosen(text: string): readonly Path[] {
    return decide(this.usable(text), defaultDecisionOptions);
  }

  usable(text: string): readonly Candidate[] {
    const paths: Path[] = [];
    if (this.originated.has(text)) paths.push(pathOf({ kind: "local" }, attributesOf(), { prefix: prefixOf(text) }));
    for (const modelPeer of this.peers) {
      for (const route of modelPeer.routes.values()) {
        if (route.prefix !== text) continue;
        const { config } = modelPeer;
        const nextHop = { address: addressOf(route.nextHop) };
        const verdict = createImportRules({
          peerType: config.remoteAs === config.localAs ? "ibgp" : "ebgp",
          localAs: config.localAs,
          allowLocalAs: config.allowLocalAs,
          routerId,
          clusterId: routerId,
          isOwnAddress: (address) => address.equals(self),
          policy: new PolicyRunner(config.importPolicy ?? acceptPolicy, (attributes) => attributes),
          treatment: {},
          intern: (attributes) => attributes,
        })(prefixOf(text), route.attributes, nextHop, undefined);
        if (!verdict.accepted) continue;
        const { stale, pathId } = route;
        const others = { prefix: prefixOf(text), pathId, nextHop, stale };
        paths.push(pathOf(this.source(modelPeer), verdict.attributes, others));
      }
    }
    return paths.map((path) => ({ path, igpMetric: this.reaches(path.nextHop) ? 0 : undefined }));
  }

  reaches(nextHop: NextHop | undefined): boolean {
    return nextHop === undefined || !this.unreachable.has(nextHop.address.toString());
  }

  /** The restart time of everybody who is away is over (RFC 9494). */
  lapse(): void {
    const { longLivedStale } = WellKnownCommunity;
    for (const { up, config, routes } of this.peers) {
      if (up) continue;
      for (const [key, route] of routes)
        if (!knowsLongLived(config)) routes.delete(key);
        else if (!route.attributes.communities.includes(longLivedStale))
          route.attributes = { ...route.attributes, communities: [...route.attributes.communities, longLivedStale] };
    }
  }

  /** Of every prefix what the peer shall know, as texts in any order. */
  told({ config }: ModelPeer): Record<string, string[]> {
    const store = new AttributeStore();
    const peerType = config.remoteAs === config.localAs ? "ibgp" : "ebgp";
    const rules = new ExportRules(
      {
        policy: config.exportPolicy ?? acceptPolicy,
        context: contextOf(peerType),
        addPathLimits: {},
        localAs: config.localAs,
        routeReflectorClient: config.routeReflectorClient,
        clusterId: routerId,
        nextHopMode: config.nextHopMode,
        selfAddresses: { "ipv4-unicast": self },
        ...(knowsLongLived(config) ? { longLivedStale: true } : {}),
      },
      { intern: (attributes) => store.intern(attributes) },
    );
    const { send } = config.addPath?.["ipv4-unicast"] ?? {};
    const told: Record<string, string[]> = {};
    for (const text of prefixes) {
      const paths =
        send === undefined
          ? this.chosen(text).slice(0, 1)
          : rank(this.usable(text), defaultDecisionOptions, send === "all" ? 100 : send);
      for (const path of paths) {
        if (path.source.kind === "peer" && path.source.peer === config.name) continue;
        const result = rules.apply(path);
        if (!result.announced || result.nextHop.address.equals(config.address)) continue;
        told[text] = [...(told[text] ?? []), routeText(result.attributes, result.nextHop)];
      }
      told[text]?.sort();
    }
    return told;
  }
}

export const routeText = (attributes: PathAttributes, { address }: NextHop): string =>
  JSON.stringify(
    { ...attributes, nextHop: address.toString() },
    Object.keys({ ...attributes, nextHop: 0, type: 0, asNumbers: 0 }).sort(),
  );
