import { beforeEach, describe, expect, it } from "vitest";
import { retainedFamilies } from "../../../src/bgp/graceful-restart.ts";
import type { SessionDownReason } from "../../../src/bgp/session-state.ts";
import type { NegotiatedSession } from "../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf, prefixOf, sessionOf, via } from "../../support/bgp.ts";
import { ScriptedSpeaker } from "../../support/scripted-speaker.ts";

const config = peerConfigOf(
  { name: "peer", address: "10.0.0.1", port: 179 },
  { gracefulRestart: { restartTimeSec: 120 } },
);

function restartable(
  others: Partial<NonNullable<NegotiatedSession["gracefulRestart"]>> = {},
): Partial<NegotiatedSession> {
  return {
    gracefulRestart: {
      restarting: false,
      restartTimeSec: 120,
      families: new Map([["ipv4-unicast", false]]),
      notification: true,
      ...others,
    },
  };
}

const back = (preserved: boolean) =>
  restartable({ restarting: true, families: new Map([["ipv4-unicast", preserved]]) });

describe("what is retained when a session ends", () => {
  const lost = (reason: Partial<SessionDownReason>, session: Partial<NegotiatedSession>) =>
    retainedFamilies({ kind: "tcp-closed", text: "", ...reason }, sessionOf(config, session));
  const v4 = ["ipv4-unicast"];

  it.each([
    ["tcp-closed", v4, v4],
    ["tcp-failed", v4, v4],
    ["hold-timer-expired", v4, v4],
    ["send-hold-timer-expired", v4, []],
    ["notification-received", v4, []],
    ["notification-sent", v4, []],
    ["bfd-down", [], []],
    ["administrative", [], []],
  ] as const)("%s: with the N bit %j, without it %j", (kind, withN, withoutN) => {
    const notification = { code: 6, subcode: 4 };
    expect(lost({ kind, notification }, restartable())).toEqual(withN);
    expect(lost({ kind, notification }, restartable({ notification: false }))).toEqual(withoutN);
  });

  it("a hard reset ends everything, N bit or not", () => {
    expect(lost({ kind: "notification-received", notification: { code: 6, subcode: 9 } }, restartable())).toEqual([]);
  });

  it("nothing without the capability, with a restart time of 0, and of families that it does not name", () => {
    expect(lost({}, {})).toEqual([]);
    expect(lost({}, restartable({ restartTimeSec: 0 }))).toEqual([]);
    expect(lost({}, restartable({ families: new Map() }))).toEqual([]);
  });
});

describe("a peer that restarts gracefully", () => {
  let speaker: ScriptedSpeaker;
  const table = () => [...speaker.core.locRib()].map(({ prefix }) => prefix.toString()).sort();
  const stale = () => speaker.core.peers()[0]?.stale;

  beforeEach(async () => {
    speaker = new ScriptedSpeaker();
    speaker.core.setPeers([config]);
    await speaker.core.start();
    const peer = speaker.session("peer");
    peer.up(restartable());
    peer.announce("10.1.0.0/26", attributesOf([], { localPref: 100 }));
    peer.announce("10.1.0.64/26", attributesOf([], { localPref: 100 }));
    peer.endOfRib();
    speaker.settle();
    peer.down();
    speaker.settle();
  });

  it("keeps its routes in use, marked stale, until the restart time is over", () => {
    expect(stale()).toBe(2);
    expect([...speaker.core.locRib()].map(({ paths }) => paths[0]?.stale)).toEqual([true, true]);
    speaker.clock.advance(119_999);
    speaker.settle();
    expect(table()).toEqual(["10.1.0.0/26", "10.1.0.64/26"]);
    speaker.clock.advance(1);
    speaker.settle();
    expect(table()).toEqual([]);
  });

  it("keeps them when its BFD goes down with it, and gives them up if its BFD would have survived (RFC 5882 §4.3)", () => {
    speaker.core.peerUnreachable("peer", { text: "BFD", controlPlaneIndependent: false });
    speaker.settle();
    expect(table()).toEqual(["10.1.0.0/26", "10.1.0.64/26"]);
    speaker.core.peerUnreachable("peer", { text: "BFD", controlPlaneIndependent: true });
    speaker.settle();
    expect(table()).toEqual([]);
  });

  it("tells who follows the Loc-RIB which routes became stale and fresh, and other peers nothing", () => {
    const said = (from: number) =>
      speaker.changes.slice(from).map(({ prefix, paths }) => `${prefix} ${paths.map((path) => path.stale)}`);
    const afterLoss = speaker.changes.length;
    expect(said(afterLoss - 2)).toEqual(["10.1.0.0/26 true", "10.1.0.64/26 true"]);
    speaker.core.setPeers([
      config,
      peerConfigOf({ name: "other", address: "10.0.0.2", port: 179 }, { remoteAs: 65001 }),
    ]);
    const other = speaker.session("other");
    other.up();
    speaker.settle();
    const told = other.sentOctets;
    expect(other.table.size).toBe(2);
    const peer = speaker.session("peer");
    peer.up(back(true));
    peer.announce("10.1.0.0/26", attributesOf([], { localPref: 100 }));
    speaker.settle();
    expect(said(afterLoss)).toEqual(["10.1.0.0/26 false"]);
    peer.down();
    speaker.settle();
    expect(said(afterLoss + 1)).toEqual(["10.1.0.64/26 ", "10.1.0.0/26 true"]);
    peer.up(back(true));
    peer.announce("10.1.0.0/26", attributesOf([], { localPref: 100 }));
    speaker.settle();
    expect(other.table.size).toBe(1);
    // One withdrawal: 23 octets of UPDATE and the prefix.
    expect(other.sentOctets - told).toBe(23 + 5);
  });

  it("makes routes fresh as they come again, and loses the others at End-of-RIB", () => {
    const peer = speaker.session("peer");
    peer.up(back(true));
    peer.announce("10.1.0.0/26", attributesOf([], { localPref: 100 }));
    speaker.settle();
    expect(speaker.core.peers()[0]?.endOfRibReceived).toEqual([]);
    expect(stale()).toBe(1);
    peer.endOfRib();
    speaker.settle();
    expect(table()).toEqual(["10.1.0.0/26"]);
    expect(stale()).toBe(0);
    speaker.clock.advance(1_000_000);
    speaker.settle();
    expect(table()).toEqual(["10.1.0.0/26"]);
  });

  it("loses the routes at once if it comes back without its forwarding state, or without the capability", () => {
    for (const session of [back(false), {}]) {
      const peer = speaker.session("peer");
      peer.up(session);
      speaker.settle();
      expect(table()).toEqual([]);
      peer.down("administrative");
      peer.up(restartable());
      peer.announce("10.1.0.0/26", attributesOf([], { localPref: 100 }));
      peer.down();
      speaker.settle();
      expect(table()).toEqual(["10.1.0.0/26"]);
    }
  });

  it("loses what is still stale when End-of-RIB takes too long", () => {
    speaker.session("peer").up(back(true));
    speaker.clock.advance(359_999);
    speaker.settle();
    expect(table()).toHaveLength(2);
    speaker.clock.advance(1);
    speaker.settle();
    expect(table()).toEqual([]);
  });

  it("loses what is still stale when it goes away a second time, and keeps what it announced since", () => {
    const peer = speaker.session("peer");
    peer.up(back(true));
    peer.announce("10.1.0.0/26", attributesOf([], { localPref: 100 }));
    peer.down();
    speaker.settle();
    expect(table()).toEqual(["10.1.0.0/26"]);
    expect(stale()).toBe(1);
  });

  it("loses its routes when it is no peer any more, and leaves no timer", () => {
    speaker.core.setPeers([]);
    speaker.settle();
    expect(table()).toEqual([]);
    const convergenceTimer = speaker.convergences === 0 ? 1 : 0;
    expect(speaker.clock.pendingTimers).toBe(convergenceTimer);
  });
});

describe("a peer of both families", () => {
  const families = ["ipv4-unicast", "ipv6-unicast"] as const;
  const able = (...preserved: readonly boolean[]) =>
    restartable({ families: new Map(preserved.map((kept, index) => [families[index] ?? "ipv4-unicast", kept])) });
  const attributes = attributesOf([], { localPref: 100 });

  /** A speaker whose peer has announced a route of each family and is gone. */
  async function abandoned(): Promise<ScriptedSpeaker> {
    const speaker = new ScriptedSpeaker();
    speaker.core.setPeers([{ ...config, families }]);
    await speaker.core.start();
    const peer = speaker.session("peer");
    peer.up(able(false, false));
    announce(speaker);
    peer.down();
    speaker.settle();
    return speaker;
  }

  function announce(speaker: ScriptedSpeaker, ...only: readonly string[]): void {
    const routes = [
      { family: "ipv4-unicast", nextHop: via("10.0.0.1"), nlri: [{ prefix: prefixOf("10.1.0.0/26"), pathId: 0 }] },
      { family: "ipv6-unicast", nextHop: via("fd00::1"), nlri: [{ prefix: prefixOf("fd00:1::/64"), pathId: 0 }] },
    ] as const;
    const announcements = routes.filter(({ family }) => only.length === 0 || only.includes(family));
    speaker
      .session("peer")
      .listener.onUpdate({ type: "update", withdrawals: [], announcements, attributes, problems: [] });
  }

  const table = (speaker: ScriptedSpeaker) => {
    speaker.settle();
    return [...speaker.core.locRib()].map(({ prefix, paths }) => `${prefix}${paths[0]?.stale ? " stale" : ""}`).sort();
  };

  it("keeps the routes of those families that it says it kept, each by itself", async () => {
    const speaker = await abandoned();
    expect(table(speaker)).toEqual(["10.1.0.0/26 stale", "fd00:1::/64 stale"]);
    speaker.session("peer").up(able(false, true));
    expect(table(speaker)).toEqual(["fd00:1::/64 stale"]);
    announce(speaker, "ipv6-unicast");
    expect(table(speaker)).toEqual(["fd00:1::/64"]);
  });

  it("loses the routes of a family that it comes back without", async () => {
    const speaker = await abandoned();
    speaker.session("peer").up({ ...able(true), families: ["ipv4-unicast"] });
    expect(table(speaker)).toEqual(["10.1.0.0/26 stale"]);
    const other = await abandoned();
    other.session("peer").up({ ...able(true), families: [...families] });
    expect(table(other)).toEqual(["10.1.0.0/26 stale"]);
  });

  it("loses at each End-of-RIB what is stale of that family only", async () => {
    const speaker = await abandoned();
    speaker.session("peer").up(able(true, true));
    speaker.session("peer").endOfRib();
    expect(table(speaker)).toEqual(["fd00:1::/64 stale"]);
    speaker.clock.advance(360_000);
    expect(table(speaker)).toEqual([]);
  });
});

describe("our OPEN after a restart", () => {
  it("has R and F bits until initial convergence, and F alone from then on", async () => {
    const speaker = new ScriptedSpeaker({ restarting: { forwardingPreserved: true, deferralSec: 10 } });
    speaker.core.setPeers([config]);
    await speaker.core.start();
    const peer = speaker.session("peer");
    expect(peer.restartState()).toEqual({ restarting: true, preservedFamilies: ["ipv4-unicast"] });
    speaker.clock.advance(10_000);
    speaker.settle();
    expect(peer.restartState()).toEqual({ restarting: false, preservedFamilies: ["ipv4-unicast"] });
  });

  it("has neither in a new process, and F after the loss of a session since forwarding went on", async () => {
    const speaker = new ScriptedSpeaker();
    speaker.core.setPeers([config]);
    await speaker.core.start();
    const peer = speaker.session("peer");
    expect(peer.restartState()).toEqual({ restarting: false, preservedFamilies: [] });
    peer.up();
    peer.down();
    expect(peer.restartState()).toEqual({ restarting: false, preservedFamilies: ["ipv4-unicast"] });
  });
});
