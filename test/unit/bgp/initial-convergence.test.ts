import { describe, expect, it } from "vitest";
import type { SpeakerOptions } from "../../../src/bgp/speaker-options.ts";
import type { NegotiatedSession, PeerConfig } from "../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf, prefixOf } from "../../support/bgp.ts";
import { ScriptedSpeaker } from "../../support/scripted-speaker.ts";

const graceful = { gracefulRestart: { restartTimeSec: 120 } };
const peerOf = (number: number, others: Partial<PeerConfig> = graceful): PeerConfig =>
  peerConfigOf({ name: `peer-${number}`, address: `10.0.0.${number}`, port: 179 }, others);

const capable = (restarting = false): Partial<NegotiatedSession> => ({
  gracefulRestart: {
    restarting,
    restartTimeSec: 120,
    families: new Map([["ipv4-unicast", true]]),
    notification: true,
  },
});

async function startSpeaker(peers: readonly PeerConfig[], options: SpeakerOptions = {}): Promise<ScriptedSpeaker> {
  const speaker = new ScriptedSpeaker(options, 1);
  speaker.core.setPeers(peers);
  await speaker.core.start();
  speaker.settle();
  return speaker;
}

const restarting: SpeakerOptions = { restarting: { forwardingPreserved: true, deferralSec: 60 } };

describe("initial convergence of a new speaker", () => {
  it("is there at once without peers, whether they were given before the start or after it", async () => {
    expect((await startSpeaker([])).convergences).toBe(1);
    const speaker = new ScriptedSpeaker();
    await speaker.core.start();
    speaker.settle();
    expect(speaker.convergences).toBe(0);
    speaker.core.setPeers([]);
    speaker.settle();
    expect(speaker.convergences).toBe(1);
  });

  it("comes with the last End-of-RIB of the peers, once, and after their routes", async () => {
    const speaker = await startSpeaker([peerOf(1), peerOf(2)]);
    const [one, two] = [speaker.session("peer-1"), speaker.session("peer-2")];
    one.up();
    one.endOfRib();
    two.up();
    speaker.settle();
    expect(speaker.convergences).toBe(0);
    for (const prefix of ["10.2.0.0/26", "10.2.0.64/26", "10.2.0.128/26"])
      two.announce(prefix, attributesOf([], { localPref: 100 }));
    two.endOfRib();
    while (speaker.convergences === 0) expect(speaker.turn()).toBe(true);
    expect(speaker.changes).toHaveLength(3);
    two.down();
    two.up();
    two.endOfRib();
    speaker.settle();
    speaker.clock.advance(10_000_000);
    speaker.settle();
    expect(speaker.convergences).toBe(1);
  });

  it("comes when the time is over, though a peer never came", async () => {
    const speaker = await startSpeaker([peerOf(1)], { convergenceSec: 30 });
    speaker.clock.advance(29_999);
    speaker.settle();
    expect(speaker.convergences).toBe(0);
    speaker.clock.advance(1);
    speaker.settle();
    expect(speaker.convergences).toBe(1);
  });

  it("does not wait for a peer that is no longer configured", async () => {
    const speaker = await startSpeaker([peerOf(1), peerOf(2)]);
    speaker.session("peer-1").up();
    speaker.session("peer-1").endOfRib();
    speaker.core.setPeers([peerOf(1)]);
    speaker.settle();
    expect(speaker.convergences).toBe(1);
  });
});

describe("a speaker that restarts", () => {
  it("announces its own routes at once, and learned ones and End-of-RIB when all peers have sent theirs", async () => {
    const ebgp = { ...graceful, remoteAs: 65001 };
    const speaker = await startSpeaker([peerOf(1), peerOf(2, ebgp)], restarting);
    const [one, two] = [speaker.session("peer-1"), speaker.session("peer-2")];
    speaker.core.updateOriginated([{ prefix: prefixOf("10.9.0.0/26"), attributes: attributesOf() }], []);
    one.up(capable());
    two.up(capable());
    two.announce("10.2.0.0/26", attributesOf([65001]));
    two.endOfRib();
    speaker.settle();
    expect(one.log).toEqual(["+ 10.9.0.0/26"]);
    expect(speaker.changes.map(({ prefix }) => prefix.toString())).toEqual(["10.9.0.0/26", "10.2.0.0/26"]);
    one.endOfRib();
    speaker.settle();
    expect(speaker.convergences).toBe(1);
    expect(one.log).toEqual(["+ 10.9.0.0/26", "+ 10.2.0.0/26", "EoR"]);
    expect(two.log).toEqual(["+ 10.9.0.0/26", "EoR"]);
  });

  it("stops waiting when the deferral time is over", async () => {
    const speaker = await startSpeaker([peerOf(1), peerOf(2)], restarting);
    const one = speaker.session("peer-1");
    one.up(capable());
    one.endOfRib();
    speaker.clock.advance(59_999);
    speaker.settle();
    expect(one.log).toEqual([]);
    speaker.clock.advance(1);
    speaker.settle();
    expect(one.log).toEqual(["EoR"]);
    expect(speaker.convergences).toBe(1);
  });

  it.each([
    ["says that it restarts, too,", capable(true)],
    ["has no graceful restart", {}],
  ] as const)("waits five seconds for End-of-RIB of a peer that %s", async (_what, offer) => {
    const speaker = await startSpeaker([peerOf(1), peerOf(2)], restarting);
    const [one, two] = [speaker.session("peer-1"), speaker.session("peer-2")];
    one.up(capable());
    one.endOfRib();
    two.up(offer);
    speaker.settle();
    speaker.clock.advance(4_999);
    two.announce("10.2.0.0/26", attributesOf());
    speaker.settle();
    expect(speaker.convergences).toBe(0);
    speaker.clock.advance(1);
    speaker.settle();
    expect(speaker.convergences).toBe(1);
    expect(speaker.changes.map(({ prefix }) => prefix.toString())).toEqual(["10.2.0.0/26"]);
    expect(speaker.clock.pendingTimers).toBe(0);
  });

  it("does not wait longer than to the End-of-RIB of such a peer", async () => {
    const speaker = await startSpeaker([peerOf(1)], restarting);
    const one = speaker.session("peer-1");
    one.up(capable(true));
    speaker.settle();
    one.announce("10.2.0.0/26", attributesOf());
    one.endOfRib();
    speaker.settle();
    expect(speaker.convergences).toBe(1);
    expect(speaker.changes).toHaveLength(1);
    expect(speaker.clock.pendingTimers).toBe(0);
  });

  it("waits for such a peer once, however often it comes and goes", async () => {
    const speaker = await startSpeaker([peerOf(1), peerOf(2)], restarting);
    const two = speaker.session("peer-2");
    two.up(capable(true));
    speaker.settle();
    speaker.clock.advance(5_000);
    two.down();
    two.up(capable(true));
    speaker.settle();
    expect(speaker.convergences).toBe(0);
    const one = speaker.session("peer-1");
    one.up(capable());
    one.endOfRib();
    speaker.settle();
    expect(speaker.convergences).toBe(1);
  });

  it("does not wait for a peer that graceful restart is not offered to", async () => {
    const speaker = await startSpeaker([peerOf(1), peerOf(3, {})], restarting);
    const one = speaker.session("peer-1");
    one.up(capable());
    one.endOfRib();
    speaker.settle();
    expect(speaker.convergences).toBe(1);
    expect(one.log).toEqual(["EoR"]);
  });
});
