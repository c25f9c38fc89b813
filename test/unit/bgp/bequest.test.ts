import { describe, expect, it } from "vitest";
import type { NegotiatedSession, PeerConfig } from "../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf } from "../../support/bgp.ts";
import { ScriptedSpeaker } from "../../support/scripted-speaker.ts";

const graceful = { gracefulRestart: { restartTimeSec: 120 } };
const peerOf = (name: string, others: Partial<PeerConfig> = {}, address = "10.0.0.1"): PeerConfig =>
  peerConfigOf({ name, address, port: 179 }, { ...graceful, ...others });

const capable = (notification = true): Partial<NegotiatedSession> => ({
  gracefulRestart: {
    restarting: false,
    restartTimeSec: 120,
    families: new Map([["ipv4-unicast", true]]),
    notification,
  },
});

const prefix = "10.2.0.0/26";
const mesh = peerOf("mesh", { holdTimeSec: 90 });

/** A speaker with one session, by which one route has come. */
async function established(config = mesh, offer = capable()): Promise<ScriptedSpeaker> {
  const speaker = new ScriptedSpeaker();
  speaker.core.setPeers([config]);
  await speaker.core.start();
  const session = speaker.session(config.name);
  session.up(offer);
  session.announce(prefix, attributesOf([], { localPref: 100 }));
  session.endOfRib();
  speaker.settle();
  speaker.changes.length = 0;
  return speaker;
}

/** How many paths the Loc-RIB has had for the route, each time that it changed. */
const counts = (speaker: ScriptedSpeaker) => {
  speaker.settle();
  return speaker.changes.map(({ paths }) => paths.length);
};

describe("a session that is replaced by another one with the same peer", () => {
  it.each([
    ["another hold time", peerOf("mesh", { holdTimeSec: 30 })],
    ["another name", peerOf("node", { holdTimeSec: 90 })],
    ["another name and ADD-PATH", peerOf("node", { addPath: { "ipv4-unicast": { receive: true, send: "all" } } })],
  ])("because of %s loses no route, and tells the peer to keep ours", async (_what, heir) => {
    const speaker = await established();
    const before = speaker.session("mesh");
    speaker.core.setPeers([heir]);
    expect(before.stopped).toBe("6/6");
    expect(counts(speaker).every((count) => count > 0)).toBe(true);
    expect(speaker.core.received(heir.name)).toMatchObject([{ path: { stale: true } }]);
    const after = speaker.session(heir.name);
    expect(after.restartState().preservedFamilies).toEqual(["ipv4-unicast"]);
    after.up(capable());
    after.announce(prefix, attributesOf([], { localPref: 100 }));
    after.endOfRib();
    expect(counts(speaker).every((count) => count > 0)).toBe(true);
    expect(speaker.core.received(heir.name)).toMatchObject([{ path: { stale: false, source: { peer: heir.name } } }]);
  });

  it("forgets at End-of-RIB what the peer has not announced again", async () => {
    const speaker = await established();
    speaker.core.setPeers([peerOf("node")]);
    speaker.session("node").up(capable());
    speaker.session("node").endOfRib();
    expect(counts(speaker).at(-1)).toBe(0);
  });

  it("forgets everything when the peer does not come back in its restart time", async () => {
    const speaker = await established();
    speaker.core.setPeers([peerOf("node")]);
    speaker.clock.advance(119_999);
    expect(counts(speaker)).not.toContain(0);
    speaker.clock.advance(1);
    expect(counts(speaker).at(-1)).toBe(0);
  });

  it("loses no route when the other side is first to end the session, nor when it changes twice in a row", async () => {
    const speaker = await established();
    speaker.session("mesh").down("notification-received", { code: 6, subcode: 6 });
    speaker.core.setPeers([peerOf("node")]);
    speaker.core.setPeers([peerOf("node", { holdTimeSec: 30 })]);
    expect(counts(speaker)).not.toContain(0);
    expect(speaker.core.received("node")).toHaveLength(1);
  });

  it.each([
    ["the peer's AS number is another one", peerOf("mesh", { remoteAs: 65_001 }), capable()],
    ["our AS number is another one", peerOf("mesh", { localAs: 65_001 }), capable()],
    [
      "graceful restart is not wanted any more",
      peerConfigOf({ name: "mesh", address: "10.0.0.1", port: 179 }),
      capable(),
    ],
    ["the peer keeps no routes over a NOTIFICATION", peerOf("mesh", { holdTimeSec: 30 }), capable(false)],
    ["the peer has another address", peerOf("mesh", {}, "10.0.0.2"), capable()],
  ])("loses its routes if %s", async (_why, heir, offer) => {
    const speaker = await established(mesh, offer);
    speaker.core.setPeers([heir]);
    expect(counts(speaker)).toEqual([0]);
  });

  it("ends for good if there is no successor", async () => {
    const speaker = await established();
    const before = speaker.session("mesh");
    speaker.core.setPeers([]);
    expect(before.stopped).toBe("6/9");
    expect(counts(speaker)).toEqual([0]);
  });
});
