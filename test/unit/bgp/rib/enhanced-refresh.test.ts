import { describe, expect, it } from "vitest";
import { attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import type { ScriptedSession } from "../../../support/scripted-session.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

const learned = (med = 0) => attributesOf([], { localPref: 100, med });
const enhanced = { enhancedRouteRefresh: true };
const gracefulRestart = { restarting: false, restartTimeSec: 120, families: new Map(), notification: true };

/** Reflector clients with enhanced route refresh, all up and told what there is. */
async function peers(count: number, prefixesPerTurn = 1000): Promise<[ScriptedSpeaker, ...ScriptedSession[]]> {
  const speaker = new ScriptedSpeaker({ stalePathSec: 360 }, prefixesPerTurn);
  const configs = Array.from({ length: count }, (_, index) =>
    peerConfigOf(
      { name: `peer-${index + 1}`, address: `10.0.0.${index + 1}`, port: 179 },
      { routeReflectorClient: true },
    ),
  );
  speaker.core.setPeers(configs);
  await speaker.core.start();
  const sessions = configs.map(({ name }) => speaker.session(name));
  for (const session of sessions) session.up(enhanced);
  speaker.settle();
  for (const session of sessions) session.log.length = 0;
  return [speaker, ...sessions];
}

const known = (speaker: ScriptedSpeaker) => [...speaker.core.locRib()].map(({ prefix }) => prefix.toString()).sort();

describe("the answer to a route refresh", () => {
  it("stands between beginning and end, once for many requests", async () => {
    const [speaker, one, two] = await peers(2);
    one?.announce("10.1.0.0/26", learned());
    one?.announce("10.1.0.64/26", learned());
    speaker.settle();
    if (two === undefined) throw new Error("two peers");
    two.log.length = 0;
    for (let times = 0; times < 3; times++) two.routeRefresh(0);
    speaker.settle();
    expect(two.log[0]).toBe("BoRR");
    expect(two.log.slice(1, -1).sort()).toEqual(["+ 10.1.0.0/26", "+ 10.1.0.64/26"]);
    expect(two.log.at(-1)).toBe("EoRR");
    two.log.length = 0;
    two.routeRefresh(0);
    speaker.settle();
    expect(two.log).toHaveLength(4);
  });

  it("is both marks where there is nothing to announce", async () => {
    const [speaker, one] = await peers(1);
    one?.routeRefresh(0);
    speaker.settle();
    expect(one?.log).toEqual(["BoRR", "EoRR"]);
  });

  it("has no marks before the End-of-RIB, nor for a peer that does not know them", async () => {
    const [speaker, one] = await peers(1);
    one?.down();
    one?.up(enhanced);
    one?.routeRefresh(0);
    speaker.settle();
    expect(one?.log).toEqual(["EoR"]);
    one?.down();
    one?.up();
    speaker.settle();
    one?.routeRefresh(0);
    speaker.settle();
    expect(one?.log).toEqual(["EoR"]);
  });

  it("ends only when a slow peer has read all of it", async () => {
    const [speaker, one, two] = await peers(2, 1);
    if (one === undefined || two === undefined) throw new Error("two peers");
    for (const third of [0, 64, 128, 192]) one.announce(`10.1.0.${third}/26`, learned(third));
    speaker.settle();
    two.log.length = 0;
    two.sentOctets = 0;
    two.capacity = 60;
    two.routeRefresh(0);
    speaker.settle();
    expect(two.log.length).toBeLessThan(5);
    expect(two.log).not.toContain("EoRR");
    two.drain();
    speaker.settle();
    expect(two.log).toHaveLength(6);
    expect(two.log.at(-1)).toBe("EoRR");
  });

  it("goes on in another group when the rules change in the middle, and still leaves nothing out", async () => {
    const [speaker, one, two] = await peers(2, 1);
    if (one === undefined || two === undefined) throw new Error("two peers");
    const prefixes = [0, 64, 128, 192].map((third) => `10.1.0.${third}/26`);
    for (const prefix of prefixes) one.announce(prefix, learned());
    speaker.settle();
    two.log.length = 0;
    two.routeRefresh(0);
    speaker.turn();
    const exportPolicy = { name: "all by another name", rules: [], defaultAction: "accept" } as const;
    speaker.core.setPeers([one.config, { ...two.config, exportPolicy }]);
    speaker.settle();
    const last = two.log.lastIndexOf("BoRR");
    expect(two.log.slice(last + 1, -1).sort()).toEqual(prefixes.map((prefix) => `+ ${prefix}`).sort());
    expect(two.log.at(-1)).toBe("EoRR");
    expect(two.log.filter((line) => line === "EoRR")).toHaveLength(1);
  });
});

describe("a refresh by the peer", () => {
  it("removes at its end what was not announced again, also where the rules changed meanwhile", async () => {
    const [speaker, one] = await peers(1);
    if (one === undefined) throw new Error("a peer");
    for (const prefix of ["10.1.0.0/26", "10.2.0.0/26", "10.3.0.0/26"]) one.announce(prefix, learned());
    speaker.settle();
    const told = () => speaker.changes.filter(({ prefix }) => prefix.equals(prefixOf("10.1.0.0/26"))).length;
    const before = told();
    one.routeRefresh(1);
    one.announce("10.1.0.0/26", learned());
    one.announce("10.2.0.0/26", learned(7));
    const importPolicy = { name: "all by another name", rules: [], defaultAction: "accept" } as const;
    speaker.core.setPeers([{ ...one.config, importPolicy }]);
    speaker.settle();
    expect(known(speaker)).toHaveLength(3);
    one.routeRefresh(2);
    speaker.settle();
    expect(known(speaker)).toEqual(["10.1.0.0/26", "10.2.0.0/26"]);
    expect(told()).toBe(before);
  });

  it("changes nothing for anybody if all comes again", async () => {
    const [speaker, one, two] = await peers(2);
    one?.announce("10.1.0.0/26", learned());
    speaker.settle();
    two?.log.splice(0);
    speaker.changes.length = 0;
    one?.routeRefresh(1);
    one?.announce("10.1.0.0/26", learned());
    one?.routeRefresh(2);
    speaker.settle();
    expect([speaker.changes, two?.log]).toEqual([[], []]);
  });

  it("whose end never comes ends by itself", async () => {
    const [speaker, one] = await peers(1);
    one?.announce("10.1.0.0/26", learned());
    one?.routeRefresh(1);
    speaker.clock.advance(359_000);
    speaker.settle();
    expect(known(speaker)).toEqual(["10.1.0.0/26"]);
    speaker.clock.advance(1_000);
    speaker.settle();
    expect(known(speaker)).toEqual([]);
  });

  it("means nothing without a beginning, before the End-of-RIB of a restart, or without the capability", async () => {
    const [speaker, one] = await peers(1);
    if (one === undefined) throw new Error("a peer");
    one.announce("10.1.0.0/26", learned());
    one.routeRefresh(2);
    speaker.settle();
    expect(known(speaker)).toEqual(["10.1.0.0/26"]);
    for (const session of [{ ...enhanced, gracefulRestart }, {}]) {
      one.down();
      one.up(session);
      one.announce("10.1.0.0/26", learned());
      one.routeRefresh(1);
      one.routeRefresh(2);
      speaker.settle();
      expect(known(speaker)).toEqual(["10.1.0.0/26"]);
    }
  });

  it("ends with the session", async () => {
    const [speaker, one] = await peers(1);
    if (one === undefined) throw new Error("a peer");
    const timers = speaker.clock.pendingTimers;
    one.routeRefresh(1);
    expect(speaker.clock.pendingTimers).toBe(timers + 1);
    one.down();
    expect(speaker.clock.pendingTimers).toBe(timers);
    one.up(enhanced);
    one.announce("10.1.0.0/26", learned());
    one.routeRefresh(2);
    speaker.settle();
    expect(known(speaker)).toEqual(["10.1.0.0/26"]);
  });
});
