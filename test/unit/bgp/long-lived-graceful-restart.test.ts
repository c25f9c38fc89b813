import { describe, expect, it } from "vitest";
import { WellKnownCommunity } from "../../../src/bgp/packet/well-known-communities.ts";
import type { NegotiatedSession, PeerConfig } from "../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf, prefixOf } from "../../support/bgp.ts";
import type { ScriptedSession } from "../../support/scripted-session.ts";
import { ScriptedSpeaker } from "../../support/scripted-speaker.ts";

const { longLivedStale, noLongLivedStale, noExport } = WellKnownCommunity;
const family = "ipv4-unicast";

interface Wishes {
  readonly restartTimeSec?: number;
  /** Undefined: the peer does not know RFC 9494. */
  readonly staleTimeSec?: number | undefined;
  readonly preserved?: boolean;
  readonly longLivedPreserved?: boolean;
}

/** What a peer's OPEN wants to be kept. */
function wanting(wishes: Wishes = {}): Partial<NegotiatedSession> {
  const { restartTimeSec = 120, staleTimeSec = 3600, preserved = true, longLivedPreserved = true } = wishes;
  const isAware = !("staleTimeSec" in wishes) || wishes.staleTimeSec !== undefined;
  return {
    gracefulRestart: {
      restarting: false,
      restartTimeSec,
      families: new Map([[family, preserved]]),
      notification: true,
    },
    ...(isAware
      ? { longLivedGracefulRestart: new Map([[family, { staleTimeSec, preserved: longLivedPreserved }]]) }
      : {}),
  };
}

const gracefulRestart = { restartTimeSec: 120 };
const from = { name: "from", address: "10.0.0.1", port: 179 };

/** A speaker whose peer `from` has announced two routes and is gone; the second one wants no long life. */
async function abandoned(wishes: Wishes = {}): Promise<{ speaker: ScriptedSpeaker; peer: ScriptedSession }> {
  const speaker = new ScriptedSpeaker({ longestLongLivedSec: 7200 });
  speaker.core.setPeers([peerConfigOf(from, { gracefulRestart, routeReflectorClient: true })]);
  await speaker.core.start();
  const peer = speaker.session("from");
  peer.up(wanting(wishes));
  peer.announce("10.1.0.0/26", attributesOf([], { localPref: 200, communities: [7] }));
  peer.announce("10.2.0.0/26", attributesOf([], { localPref: 200, communities: [noLongLivedStale] }));
  peer.endOfRib();
  speaker.settle();
  peer.down();
  speaker.settle();
  return { speaker, peer };
}

const pass = (speaker: ScriptedSpeaker, seconds: number) => {
  speaker.clock.advance(seconds * 1000);
  speaker.settle();
};
const table = (speaker: ScriptedSpeaker) =>
  [...speaker.core.locRib()].map(({ prefix, paths }) => `${prefix} ${paths[0]?.attributes.communities}`);

describe("routes of a peer that is away for longer than its restart time", () => {
  it("become routes of last resort, except those that do not want to, until their stale time is over", async () => {
    const { speaker } = await abandoned();
    pass(speaker, 119);
    expect(table(speaker)).toEqual(["10.1.0.0/26 7", `10.2.0.0/26 ${noLongLivedStale}`]);
    pass(speaker, 1);
    expect(table(speaker)).toEqual([`10.1.0.0/26 7,${longLivedStale}`]);
    expect(speaker.core.peers()[0]?.stale).toBe(1);
    pass(speaker, 3599);
    expect(table(speaker)).toHaveLength(1);
    pass(speaker, 1);
    expect(table(speaker)).toEqual([]);
  });

  it("are so at once where there is no restart time, and never for longer than our own limit", async () => {
    const { speaker } = await abandoned({ restartTimeSec: 0, staleTimeSec: 100_000 });
    expect(table(speaker)).toEqual([`10.1.0.0/26 7,${longLivedStale}`]);
    pass(speaker, 7199);
    expect(table(speaker)).toHaveLength(1);
    pass(speaker, 1);
    expect(table(speaker)).toEqual([]);
  });

  it.each([
    ["a stale time of 0", { staleTimeSec: 0 }],
    ["without the capability", { staleTimeSec: undefined }],
  ])("are gone for a peer with %s", async (_, wishes) => {
    const { speaker } = await abandoned(wishes);
    pass(speaker, 120);
    expect(table(speaker)).toEqual([]);
    expect(speaker.clock.pendingTimers).toBe(speaker.convergences === 0 ? 1 : 0);
  });

  it("are good again when it comes back with them, and gone at End-of-RIB if it has not announced them", async () => {
    for (const again of [true, false]) {
      const { speaker, peer } = await abandoned();
      pass(speaker, 200);
      peer.up(wanting());
      speaker.settle();
      expect(table(speaker)).toEqual([`10.1.0.0/26 7,${longLivedStale}`]);
      if (again) peer.announce("10.1.0.0/26", attributesOf([], { localPref: 200, communities: [7] }));
      peer.endOfRib();
      speaker.settle();
      expect(table(speaker)).toEqual(again ? ["10.1.0.0/26 7"] : []);
      pass(speaker, 100_000);
      expect(table(speaker)).toHaveLength(again ? 1 : 0);
    }
  });

  it.each([
    ["without having kept forwarding", { longLivedPreserved: false }],
    ["without the capability", { staleTimeSec: undefined }],
  ])("are gone when it comes back %s", async (_, wishes) => {
    const { speaker, peer } = await abandoned();
    pass(speaker, 200);
    peer.up(wanting(wishes));
    speaker.settle();
    expect(table(speaker)).toEqual([]);
  });

  it("are gone when their stale time ends although it is back and slow, and when it is no peer any more", async () => {
    const { speaker, peer } = await abandoned({ staleTimeSec: 300 });
    pass(speaker, 120 + 250);
    peer.up(wanting({ staleTimeSec: 300 }));
    pass(speaker, 49);
    expect(table(speaker)).toHaveLength(1);
    pass(speaker, 1);
    expect(table(speaker)).toEqual([]);
    const other = await abandoned();
    pass(other.speaker, 200);
    other.speaker.core.setPeers([]);
    other.speaker.settle();
    expect(table(other.speaker)).toEqual([]);
    expect(other.speaker.clock.pendingTimers).toBe(other.speaker.convergences === 0 ? 1 : 0);
  });

  it("are given up when it goes away a second time", async () => {
    const { speaker, peer } = await abandoned();
    pass(speaker, 200);
    peer.up(wanting());
    peer.down();
    speaker.settle();
    expect(table(speaker)).toEqual([]);
  });
});

describe("a route of last resort", () => {
  it("loses against any other, whatever its LOCAL_PREF", async () => {
    const { speaker } = await abandoned();
    const other = peerConfigOf({ name: "other", address: "10.0.0.2", port: 179 });
    speaker.core.setPeers([peerConfigOf(from, { gracefulRestart, routeReflectorClient: true }), other]);
    speaker.session("other").up();
    speaker.session("other").announce("10.1.0.0/26", attributesOf([1, 2, 3], { localPref: 1 }));
    speaker.settle();
    const best = () => speaker.core.explain(prefixOf("10.1.0.0/26")).map(({ path, rule }) => [path.source, rule]);
    expect(best()[0]).toMatchObject([{ peer: "from" }, undefined]);
    pass(speaker, 120);
    expect(best()).toMatchObject([
      [{ peer: "other" }, undefined],
      [{ peer: "from" }, "llgr-stale"],
    ]);
  });

  /** What a peer of this kind hears of the route when it has become one of last resort. */
  async function told(config: Partial<PeerConfig>, session: Partial<NegotiatedSession>) {
    const { speaker } = await abandoned();
    const listener = peerConfigOf({ name: "to", address: "10.0.0.3", port: 179 }, config);
    speaker.core.setPeers([peerConfigOf(from, { gracefulRestart, routeReflectorClient: true }), listener]);
    const to = speaker.session("to");
    to.up(session);
    speaker.settle();
    expect(to.table.has("10.1.0.0/26")).toBe(true);
    pass(speaker, 120);
    const route = to.table.get("10.1.0.0/26");
    return route && [route.attributes.localPref, ...route.attributes.communities];
  }

  it("goes unchanged to peers that know RFC 9494", async () => {
    const aware = { longLivedGracefulRestart: new Map() };
    expect(await told({}, aware)).toEqual([200, 7, longLivedStale]);
    expect(await told({ remoteAs: 65001 }, aware)).toEqual([undefined, 7, longLivedStale]);
  });

  it("goes to other iBGP peers so that they do not prefer it nor pass it on, and not to other eBGP peers", async () => {
    expect(await told({}, {})).toEqual([0, 7, longLivedStale, noExport]);
    expect(await told({ remoteAs: 65001 }, {})).toBeUndefined();
  });
});
