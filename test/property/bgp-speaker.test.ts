import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NextHop } from "../../src/bgp/packet/message.ts";
import { addressOf, attributesOf, prefixOf } from "../support/bgp.ts";
import { ScriptedSpeaker } from "../support/scripted-speaker.ts";
import {
  configOf,
  kinds,
  knowsLongLived,
  Model,
  pathIdOf,
  policies,
  prefixes,
  routeKey,
  routeText,
} from "../support/speaker-model.ts";

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
  { weight: 1, arbitrary: fc.record({ type: fc.constant("begin-refresh" as const), peer }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("end-refresh" as const), peer }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("lapse" as const) }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("block" as const), peer }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("drain" as const), peer }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("turns" as const), count: fc.integer({ min: 1, max: 4 }) }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer Value> ? Value : never;

function run(operations: readonly Operation[], prefixesPerTurn: number): void {
  const model = new Model();
  const resolveNextHop = (nextHop: NextHop) => (model.reaches(nextHop) ? { metric: 0 } : undefined);
  // Nothing of what is kept for long ends by itself while a run lasts.
  const endless = { stalePathSec: 1_000_000, longestLongLivedSec: 1_000_000 };
  const speaker = new ScriptedSpeaker({ resolveNextHop, ...endless }, prefixesPerTurn);
  const configure = () => speaker.core.setPeers(model.peers.map(({ config }) => config));
  configure();
  const session = (index: number) => speaker.session(`peer-${index}`);
  const up = (index: number, preserved: boolean) => {
    const modelPeer = model.peers[index];
    if (modelPeer === undefined || modelPeer.up) return;
    modelPeer.up = true;
    modelPeer.isComplete = false;
    if (!preserved) modelPeer.routes.clear();
    session(index).capacity = Number.POSITIVE_INFINITY;
    session(index).up({
      gracefulRestart: {
        restarting: preserved,
        restartTimeSec: 120,
        families: new Map([["ipv4-unicast", preserved]]),
        notification: true,
      },
      enhancedRouteRefresh: true,
      ...(knowsLongLived(modelPeer.config)
        ? { longLivedGracefulRestart: new Map([["ipv4-unicast", { staleTimeSec: 1_000_000, preserved }]]) }
        : {}),
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
        modelPeer.unrefreshed?.delete(routeKey(text, pathId));
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
        modelPeer.unrefreshed = undefined;
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
        modelPeer.isComplete = true;
        for (const [key, route] of modelPeer.routes) if (route.stale) modelPeer.routes.delete(key);
        session(index).endOfRib();
        return;
      case "begin-refresh":
        if (!modelPeer.up) return;
        if (modelPeer.isComplete) modelPeer.unrefreshed = new Set(modelPeer.routes.keys());
        session(index).routeRefresh(1);
        return;
      case "end-refresh":
        if (!modelPeer.up) return;
        for (const key of modelPeer.unrefreshed ?? []) modelPeer.routes.delete(key);
        modelPeer.unrefreshed = undefined;
        session(index).routeRefresh(2);
        return;
      case "lapse":
        model.lapse();
        speaker.clock.advance(120_000);
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
    const { log } = session(index);
    expect(log.filter((line) => line === "EoR")).toHaveLength(1);
    expect(log.lastIndexOf("EoRR")).toBeGreaterThanOrEqual(log.lastIndexOf("BoRR"));
  }
}

describe("a speaker under random updates, losses, restarts, policy changes and slow peers", () => {
  it("chooses and tells every peer what a naive model of plain maps does", () => {
    fc.assert(fc.property(fc.array(operation, { maxLength: 80, size: "max" }), fc.constantFrom(1, 2, 1000), run), {
      numRuns: 250,
    });
  });
});
