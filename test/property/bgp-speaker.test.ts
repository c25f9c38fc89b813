import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathAttributes } from "../../src/bgp/packet/attributes.ts";
import type { NextHop } from "../../src/bgp/packet/message.ts";
import { PolicyRunner } from "../../src/bgp/policy/apply.ts";
import type { Policy } from "../../src/bgp/policy/types.ts";
import { AttributeStore } from "../../src/bgp/rib/attribute-store.ts";
import { decide, rank } from "../../src/bgp/rib/decision.ts";
import { type Candidate, defaultDecisionOptions } from "../../src/bgp/rib/decision-steps.ts";
import { ExportRules } from "../../src/bgp/rib/export-rules.ts";
import { createImportRules } from "../../src/bgp/rib/import-rules.ts";
import type { Path, PathSource, PeerConfig } from "../../src/bgp/types.ts";
import { acceptPolicy, addressOf, attributesOf, contextOf, pathOf, peerConfigOf, prefixOf } from "../support/bgp.ts";
import { ScriptedSpeaker } from "../support/scripted-speaker.ts";

const self = addressOf("10.0.0.100");
const routerId = 0x0a000064;
const prefixes = ["10.1.0.0/26", "10.1.0.64/26", "10.2.0.0/26", "10.2.0.64/26"];

const policies: readonly Policy[] = [
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
const kinds = [
  { routeReflectorClient: true },
  { routeReflectorClient: true },
  {},
  { remoteAs: 65001 },
  { remoteAs: 65001 },
  { routeReflectorClient: true, addPath: { "ipv4-unicast": { receive: true, send: "all" } } },
  { routeReflectorClient: true, addPath: { "ipv4-unicast": { receive: true, send: 2 } } },
] as const;
const configOf = (index: number, importPolicy: number, exportPolicy: number): PeerConfig =>
  peerConfigOf(
    { name: `peer-${index}`, address: `10.0.0.${index + 1}`, port: 179 },
    {
      gracefulRestart: { restartTimeSec: 120 },
      importPolicy: policies[importPolicy] ?? policies[0] ?? { name: "", rules: [], defaultAction: "accept" },
      exportPolicy: policies[exportPolicy] ?? policies[0] ?? { name: "", rules: [], defaultAction: "accept" },
      ...kinds[index],
    },
  );

/** Those that routes may have; our own is never reached through anybody. */
const nextHops = kinds.map((_, index) => `10.0.0.${index + 1}`);

const peer = fc.nat(kinds.length - 1);
const prefix = fc.constantFrom(...prefixes);
const policy = fc.nat(policies.length - 1);
const operation = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("announce" as const),
      peer,
      prefix,
      med: fc.nat(2),
      nextHop: fc.nat(4),
      looped: fc.nat(9),
      pathId: fc.nat(2),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("withdraw" as const), peer, prefix, pathId: fc.nat(2) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("originate" as const), prefix, present: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("down" as const), peer, graceful: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("up" as const), peer, preserved: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("end-of-rib" as const), peer }) },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("policies" as const), peer, imports: policy, exports: fc.nat(1) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("reach" as const),
      nextHop: fc.nat(nextHops.length - 1),
      up: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("refresh" as const), peer }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("block" as const), peer }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("drain" as const), peer }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 4 }) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

interface ModelRoute {
  readonly prefix: string;
  readonly pathId: number;
  readonly attributes: PathAttributes;
  readonly nextHop: string;
  stale: boolean;
}

interface ModelPeer {
  config: PeerConfig;
  up: boolean;
  /** By prefix and path identifier. */
  readonly routes: Map<string, ModelRoute>;
}

/** Only those who may send several paths have identifiers. */
const pathIdOf = ({ config }: ModelPeer, pathId: number): number => (config.addPath === undefined ? 0 : pathId);
const routeKey = (prefix: string, pathId: number): string => `${prefix} ${pathId}`;

/** The same speaker as plain maps, computed anew every time: no groups, no lanes, no interning, no batches. */
class Model {
  readonly peers = kinds.map(
    (_, index): ModelPeer => ({ config: configOf(index, 0, 0), up: false, routes: new Map() }),
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

const routeText = (attributes: PathAttributes, { address }: NextHop): string =>
  JSON.stringify(
    { ...attributes, nextHop: address.toString() },
    Object.keys({ ...attributes, nextHop: 0, type: 0, asNumbers: 0 }).sort(),
  );

function run(operations: readonly Operation[], prefixesPerTurn: number): void {
  const model = new Model();
  const resolveNextHop = (nextHop: NextHop) => (model.reaches(nextHop) ? { metric: 0 } : undefined);
  const speaker = new ScriptedSpeaker({ resolveNextHop }, prefixesPerTurn);
  const configure = () => speaker.core.setPeers(model.peers.map(({ config }) => config));
  configure();
  const session = (index: number) => speaker.session(`peer-${index}`);
  const up = (index: number, preserved: boolean) => {
    const modelPeer = model.peers[index];
    if (modelPeer === undefined || modelPeer.up) return;
    modelPeer.up = true;
    if (!preserved) modelPeer.routes.clear();
    session(index).capacity = Number.POSITIVE_INFINITY;
    session(index).up({
      gracefulRestart: {
        restarting: preserved,
        restartTimeSec: 120,
        families: new Map([["ipv4-unicast", preserved]]),
        notification: true,
      },
    });
  };
  const apply = (item: Operation): void => {
    const index = "peer" in item ? item.peer : 0;
    const modelPeer = model.peers[index];
    if (modelPeer === undefined) return;
    switch (item.type) {
      case "announce": {
        if (!modelPeer.up) return;
        const asPath = modelPeer.config.remoteAs === 65001 ? [65001] : [];
        const attributes = attributesOf(item.looped === 0 ? [...asPath, 64512] : asPath, {
          med: item.med,
          ...(asPath.length === 0 ? { localPref: 100 } : {}),
        });
        // Now and then somebody else's address, or our own.
        const nextHop =
          item.nextHop === 0 ? "10.0.0.2" : item.nextHop === 1 ? "10.0.0.100" : modelPeer.config.address.toString();
        const pathId = pathIdOf(modelPeer, item.pathId);
        const { prefix: text } = item;
        modelPeer.routes.set(routeKey(text, pathId), { prefix: text, pathId, attributes, nextHop, stale: false });
        session(index).announce(text, attributes, { address: addressOf(nextHop) }, pathId);
        return;
      }
      case "withdraw":
        if (!modelPeer.up) return;
        modelPeer.routes.delete(routeKey(item.prefix, pathIdOf(modelPeer, item.pathId)));
        session(index).withdraw(item.prefix, pathIdOf(modelPeer, item.pathId));
        return;
      case "originate":
        if (item.present) {
          model.originated.add(item.prefix);
          speaker.core.updateOriginated([{ prefix: prefixOf(item.prefix), attributes: attributesOf() }], []);
        } else {
          model.originated.delete(item.prefix);
          speaker.core.updateOriginated([], [prefixOf(item.prefix)]);
        }
        return;
      case "down": {
        if (!modelPeer.up) return;
        modelPeer.up = false;
        for (const [key, route] of modelPeer.routes)
          if (route.stale || !item.graceful) modelPeer.routes.delete(key);
          else route.stale = true;
        if (item.graceful) session(index).down();
        else session(index).down("notification-received", { code: 6, subcode: 9 });
        return;
      }
      case "up":
        up(index, item.preserved);
        return;
      case "end-of-rib":
        if (!modelPeer.up) return;
        for (const [key, route] of modelPeer.routes) if (route.stale) modelPeer.routes.delete(key);
        session(index).endOfRib();
        return;
      case "policies":
        modelPeer.config = configOf(index, item.imports, item.exports);
        configure();
        return;
      case "reach": {
        const address = nextHops[item.nextHop] ?? "";
        if (item.up) model.unreachable.delete(address);
        else model.unreachable.add(address);
        speaker.core.nextHopsChanged();
        return;
      }
      case "refresh":
        if (modelPeer.up)
          session(index).listener.onRouteRefresh({ type: "route-refresh", afi: 1, safi: 1, subtype: 0 });
        return;
      case "block":
        session(index).capacity = 0;
        return;
      case "drain":
        session(index).drain();
        return;
      case "turns":
        for (let count = 0; count < item.count; count++) speaker.turn();
    }
  };
  for (let index = 0; index < kinds.length; index++) up(index, false);
  for (const item of operations) apply(item);
  for (const [index, { up: isUp }] of model.peers.entries()) if (isUp) session(index).drain();
  speaker.settle();
  speaker.clock.advance(200);
  speaker.settle();

  for (const text of prefixes) {
    const expected = model.chosen(text);
    expect(speaker.core.bestPaths(prefixOf(text)).map((path) => ({ ...path }))).toEqual(expected);
    const last = speaker.changes.filter((change) => change.prefix.equals(prefixOf(text))).at(-1)?.paths ?? [];
    expect(last.map((path) => ({ ...path }))).toEqual(expected);
  }
  for (const [index, modelPeer] of model.peers.entries()) {
    const status = speaker.core.peers()[index];
    expect(status).toMatchObject({
      received: modelPeer.routes.size,
      stale: [...modelPeer.routes.values()].filter(({ stale }) => stale).length,
    });
    expect(status?.accepted).toBe(
      speaker.core.received(`peer-${index}`).filter(({ lostBy }) => !/loop|policy|own address/.test(lostBy ?? ""))
        .length,
    );
    if (!modelPeer.up) continue;
    const told = model.told(modelPeer);
    const heard: Record<string, string[]> = {};
    for (const [key, { attributes, nextHop }] of session(index).table) {
      const [text = ""] = key.split(" ");
      heard[text] = [...(heard[text] ?? []), routeText(attributes, nextHop)].sort();
    }
    expect(heard).toEqual(told);
    expect(status?.advertised).toBe(Object.values(told).flat().length);
    const advertised = speaker.core.advertised(modelPeer.config.name);
    const knownAs = advertised.map(({ prefix: text, pathId }) => (pathId === 0 ? `${text}` : `${text} path ${pathId}`));
    expect(knownAs.sort()).toEqual([...session(index).table.keys()].sort());
    expect(session(index).log.filter((line) => line === "EoR")).toHaveLength(1);
  }
}

describe("a speaker under random updates, losses, restarts, policy changes and slow peers", () => {
  it("chooses and tells every peer what a naive model of plain maps does", () => {
    fc.assert(fc.property(fc.array(operation, { maxLength: 80, size: "max" }), fc.constantFrom(1, 2, 1000), run), {
      numRuns: 400,
    });
  });
});
