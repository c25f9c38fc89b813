import { describe, expect, it } from "vitest";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { attributesOf, peerConfigOf, prefixOf, via } from "../../../support/bgp.ts";
import type { ScriptedSession } from "../../../support/scripted-session.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

const client = (number: number, others: Partial<PeerConfig> = {}): PeerConfig =>
  peerConfigOf(
    { name: `peer-${number}`, address: `10.0.0.${number}`, port: 179 },
    { routeReflectorClient: true, ...others },
  );

const own = (...prefixes: string[]) =>
  prefixes.map((prefix) => ({ prefix: prefixOf(prefix), attributes: attributesOf() }));
const learned = (med = 0) => attributesOf([], { localPref: 100, med });

async function reflect(
  count: number,
  prefixesPerTurn = 1000,
): Promise<{ speaker: ScriptedSpeaker; peers: ScriptedSession[] }> {
  const speaker = new ScriptedSpeaker({}, prefixesPerTurn);
  const configs = Array.from({ length: count }, (_, index) => client(index + 1));
  speaker.core.setPeers(configs);
  await speaker.core.start();
  const peers = configs.map(({ name }) => speaker.session(name));
  for (const peer of peers) peer.up();
  speaker.settle();
  for (const peer of peers) peer.log.length = 0;
  return { speaker, peers };
}

/** The nth peer, which the test has made. */
function nth(peers: readonly ScriptedSession[], index: number): ScriptedSession {
  const peer = peers[index];
  if (peer === undefined) throw new Error(`no peer ${index}`);
  return peer;
}

describe("what peers of one group are told", () => {
  it("is a route's latest state only, however often it changed since they were told last", async () => {
    const { speaker, peers } = await reflect(2);
    const [one, two] = [nth(peers, 0), nth(peers, 1)];
    for (let med = 1; med <= 20; med++) one.announce("10.1.0.0/26", learned(med));
    speaker.settle();
    expect(two.log).toEqual(["+ 10.1.0.0/26"]);
    expect(two.table.get("10.1.0.0/26")?.attributes.med).toBe(20);
    one.withdraw("10.1.0.0/26");
    one.announce("10.1.0.0/26", learned(20));
    speaker.settle();
    expect(two.log).toEqual(["+ 10.1.0.0/26"]);
  });

  it("never includes the sender's own route, and a withdrawal where the best path moves to a member", async () => {
    const { speaker, peers } = await reflect(3);
    const [one, two, three] = [nth(peers, 0), nth(peers, 1), nth(peers, 2)];
    one.announce("10.1.0.0/26", learned(10));
    speaker.settle();
    expect([one.log, two.log, three.log]).toEqual([[], ["+ 10.1.0.0/26"], ["+ 10.1.0.0/26"]]);
    two.announce("10.1.0.0/26", learned(5));
    speaker.settle();
    expect([one.log, two.log.slice(1), three.log.slice(1)]).toEqual([
      ["+ 10.1.0.0/26"],
      ["- 10.1.0.0/26"],
      ["+ 10.1.0.0/26"],
    ]);
    expect(one.table.get("10.1.0.0/26")?.nextHop).toEqual(via("10.0.0.2"));
  });

  it("leaves out the peer that is the route's next hop", async () => {
    const { speaker, peers } = await reflect(3);
    nth(peers, 0).announce("10.1.0.0/26", learned(), via("10.0.0.2"));
    speaker.settle();
    expect(peers.map(({ log }) => log)).toEqual([[], [], ["+ 10.1.0.0/26"]]);
    expect(speaker.core.peers().map(({ advertised }) => advertised)).toEqual([0, 0, 1]);
    expect(peers.map(({ config }) => speaker.core.advertised(config.name).length)).toEqual([0, 0, 1]);
  });

  it("is withdrawn when a refused path takes the place of a good one", async () => {
    const { speaker, peers } = await reflect(2);
    const [one, two] = [nth(peers, 0), nth(peers, 1)];
    one.announce("10.1.0.0/26", learned());
    speaker.settle();
    one.announce("10.1.0.0/26", attributesOf([], { localPref: 100, originatorId: 0x0a000064 }));
    speaker.settle();
    expect(two.log).toEqual(["+ 10.1.0.0/26", "- 10.1.0.0/26"]);
    expect(speaker.core.received("peer-1")).toMatchObject([
      { best: false, lostBy: "reflection loop: ORIGINATOR_ID is our own router id 10.0.0.100" },
    ]);
  });

  it("is nothing that no message can carry, and what was told before is withdrawn", async () => {
    const { speaker, peers } = await reflect(2);
    const [one, two] = [nth(peers, 0), nth(peers, 1)];
    one.announce("10.1.0.0/26", learned());
    speaker.settle();
    const communities = Array.from({ length: 1100 }, (_, index) => index);
    one.announce("10.1.0.0/26", { ...learned(), communities });
    one.announce("10.1.0.64/26", learned());
    speaker.settle();
    expect([...two.table.keys()]).toEqual(["10.1.0.64/26"]);
  });
});

describe("a peer that comes later", () => {
  it("gets everything and then an End-of-RIB, and the others hear nothing again", async () => {
    const { speaker, peers } = await reflect(3);
    const [one, two] = [nth(peers, 0), nth(peers, 1)];
    two.down();
    one.announce("10.1.0.0/26", learned());
    speaker.core.updateOriginated(own("10.9.0.0/26"), []);
    speaker.settle();
    const before = nth(peers, 2).log.length;
    two.up();
    speaker.settle();
    expect(two.log.slice().sort()).toEqual(["+ 10.1.0.0/26", "+ 10.9.0.0/26", "EoR"]);
    expect(two.log.at(-1)).toBe("EoR");
    expect(nth(peers, 2).log).toHaveLength(before);
  });

  it("gets one End-of-RIB after all slices of a large table", async () => {
    const { speaker, peers } = await reflect(2);
    const two = nth(peers, 1);
    two.down();
    const count = 10_000;
    speaker.core.updateOriginated(
      own(...Array.from({ length: count }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`)),
      [],
    );
    speaker.settle();
    two.up();
    speaker.settle();
    expect(two.log).toHaveLength(count + 1);
    expect(two.log.indexOf("EoR")).toBe(count);
    expect(speaker.core.peers()[0]?.advertised).toBe(count);
  });
});

describe("a group's first peer", () => {
  it("gets its End-of-RIB after everything, though the table is read in slices", async () => {
    const { speaker, peers } = await reflect(1, 1);
    const one = nth(peers, 0);
    one.down();
    speaker.core.updateOriginated(own("10.1.0.0/26", "10.2.0.0/26", "10.3.0.0/26"), []);
    speaker.settle();
    one.up();
    speaker.settle();
    expect(one.log).toHaveLength(4);
    expect(one.log.at(-1)).toBe("EoR");
  });
});

describe("a peer that reads slowly", () => {
  it("hears nothing of a route that went and came back the same", async () => {
    const { speaker, peers } = await reflect(3);
    const [one, two] = [nth(peers, 0), nth(peers, 1)];
    two.capacity = 1;
    one.announce("10.1.0.0/26", learned());
    speaker.settle();
    one.withdraw("10.1.0.0/26");
    speaker.settle();
    one.announce("10.1.0.0/26", learned());
    speaker.settle();
    two.drain();
    speaker.settle();
    expect(two.log).toEqual(["+ 10.1.0.0/26"]);
    expect(nth(peers, 2).log).toEqual(["+ 10.1.0.0/26", "- 10.1.0.0/26", "+ 10.1.0.0/26"]);
  });

  it("is told the latest state when it can be written to, and holds up nobody", async () => {
    const { speaker, peers } = await reflect(4);
    const [one, two, three] = [nth(peers, 0), nth(peers, 1), nth(peers, 2)];
    two.capacity = 1;
    one.announce("10.1.0.0/26", learned(1));
    speaker.settle();
    for (let med = 2; med <= 5; med++) {
      one.announce("10.1.0.0/26", learned(med));
      one.announce("10.1.0.64/26", learned(med));
      speaker.settle();
    }
    one.withdraw("10.1.0.64/26");
    speaker.settle();
    expect(three.log).toHaveLength(10);
    expect(two.log).toEqual(["+ 10.1.0.0/26"]);
    two.drain();
    speaker.settle();
    expect(two.log).toEqual(["+ 10.1.0.0/26", "+ 10.1.0.0/26"]);
    expect(two.table.get("10.1.0.0/26")?.attributes.med).toBe(5);
    expect(two.table).toEqual(three.table);
    one.announce("10.1.0.128/26", learned());
    speaker.settle();
    expect(two.table).toEqual(three.table);
  });

  it("waits a moment for others that are as slow, and not longer", async () => {
    const { speaker, peers } = await reflect(4);
    const [one, two, three, four] = [nth(peers, 0), nth(peers, 1), nth(peers, 2), nth(peers, 3)];
    for (const slow of [two, three]) slow.capacity = 1;
    one.announce("10.1.0.0/26", learned());
    speaker.settle();
    one.announce("10.1.0.64/26", learned());
    speaker.settle();
    two.drain();
    speaker.settle();
    expect(two.log).toHaveLength(1);
    speaker.clock.advance(100);
    speaker.settle();
    expect(two.table).toEqual(four.table);
    expect(three.log).toHaveLength(1);
    three.drain();
    speaker.settle();
    expect(three.table).toEqual(four.table);
  });
});

describe("a route refresh", () => {
  const request = (session: ScriptedSession) =>
    session.listener.onRouteRefresh({ type: "route-refresh", afi: 1, safi: 1, subtype: 0 });

  it("repeats everything to the peer that asked, once for many requests, and to nobody else", async () => {
    const { speaker, peers } = await reflect(3);
    const [one, two, three] = [nth(peers, 0), nth(peers, 1), nth(peers, 2)];
    one.announce("10.1.0.0/26", learned());
    one.announce("10.1.0.64/26", learned());
    speaker.settle();
    two.log.length = 0;
    three.log.length = 0;
    for (let times = 0; times < 5; times++) request(two);
    speaker.settle();
    expect(two.log.slice().sort()).toEqual(["+ 10.1.0.0/26", "+ 10.1.0.64/26"]);
    expect(three.log).toEqual([]);
    request(one);
    speaker.settle();
    expect(one.log).toEqual([]);
  });

  it("of a family that the session does not have, or of another kind, is ignored", async () => {
    const { speaker, peers } = await reflect(2);
    const [one, two] = [nth(peers, 0), nth(peers, 1)];
    one.announce("10.1.0.0/26", learned());
    speaker.settle();
    two.log.length = 0;
    for (const message of [
      { afi: 2, safi: 1, subtype: 0 },
      { afi: 1, safi: 128, subtype: 0 },
      { afi: 1, safi: 1, subtype: 1 },
    ])
      two.listener.onRouteRefresh({ type: "route-refresh", ...message });
    speaker.settle();
    expect(two.log).toEqual([]);
  });
});

describe("a change of export rules", () => {
  it("for all peers of a group tells them just the difference", async () => {
    const { speaker, peers } = await reflect(3);
    const one = nth(peers, 0);
    one.announce("10.1.0.0/26", learned());
    one.announce("10.2.0.0/26", learned());
    speaker.settle();
    const exportPolicy = {
      name: "no 10.2",
      rules: [
        { name: "10.2", match: { prefixes: [{ prefix: prefixOf("10.2.0.0/16"), operator: "in" }] }, action: "reject" },
      ],
      defaultAction: "accept",
    } as const;
    for (const peer of peers) peer.log.length = 0;
    speaker.core.setPeers(peers.map(({ config }) => ({ ...config, exportPolicy })));
    speaker.settle();
    // A withdrawal may also go to the peer that the route came from; it has nothing to forget.
    expect(peers.slice(1).map(({ log }) => log)).toEqual([["- 10.2.0.0/26"], ["- 10.2.0.0/26"]]);
    speaker.core.setPeers(peers.map(({ config }) => ({ ...config, exportPolicy, nextHopMode: "self" })));
    speaker.settle();
    expect(nth(peers, 1).table.get("10.1.0.0/26")?.nextHop).toEqual(via("10.0.0.100"));
    expect(peers.every(({ stopped }) => stopped === undefined)).toBe(true);
  });

  it("that come to the same tells nobody anything, though the table is read in slices", async () => {
    const { speaker, peers } = await reflect(2, 1);
    speaker.core.updateOriginated(own("10.1.0.0/26", "10.2.0.0/26", "10.3.0.0/26"), []);
    speaker.settle();
    for (const peer of peers) peer.log.length = 0;
    const exportPolicy = { name: "all by another name", rules: [], defaultAction: "accept" } as const;
    speaker.core.setPeers(peers.map(({ config }) => ({ ...config, exportPolicy })));
    speaker.settle();
    expect(peers.map(({ log }) => log)).toEqual([[], []]);
  });

  it("makes a peer a client without a new session", async () => {
    const speaker = new ScriptedSpeaker();
    const plain = [client(1, { routeReflectorClient: false }), client(2, { routeReflectorClient: false })];
    speaker.core.setPeers(plain);
    await speaker.core.start();
    const [one, two] = [speaker.session("peer-1"), speaker.session("peer-2")];
    one.up();
    two.up();
    one.announce("10.1.0.0/26", learned());
    speaker.settle();
    expect(two.log).toEqual(["EoR"]);
    speaker.core.setPeers([client(1), ...plain.slice(1)]);
    speaker.settle();
    expect(two.log).toEqual(["EoR", "+ 10.1.0.0/26"]);
    expect(speaker.session("peer-1")).toBe(one);
  });
});

describe("the end of a session", () => {
  it("says hard reset to peers that would keep our routes over a NOTIFICATION, and just closes for a restart", async () => {
    const gracefulRestart = {
      restarting: false,
      restartTimeSec: 120,
      families: new Map([["ipv4-unicast", true]] as const),
      notification: true,
    };
    const { speaker, peers } = await reflect(3);
    nth(peers, 0).down();
    nth(peers, 0).up({ gracefulRestart });
    speaker.core.setPeers([client(1), client(2)]);
    expect(peers.map(({ stopped }) => stopped)).toEqual([undefined, undefined, "6/3"]);
    await speaker.core.stop("shutdown");
    expect(peers.map(({ stopped }) => stopped)).toEqual(["6/9", "6/2", "6/3"]);
    const other = await reflect(1);
    await other.speaker.core.stop("restart");
    expect(nth(other.peers, 0).stopped).toBe("restart");
  });
});

describe("next hops", () => {
  it("that stop being reachable take their routes along until they are back", async () => {
    let reachable = true;
    const speaker = new ScriptedSpeaker({ resolveNextHop: () => (reachable ? { metric: 1 } : undefined) });
    speaker.core.setPeers([client(1), client(2)]);
    await speaker.core.start();
    const [one, two] = [speaker.session("peer-1"), speaker.session("peer-2")];
    one.up();
    two.up();
    one.announce("10.1.0.0/26", learned());
    one.announce("10.1.0.64/26", learned());
    one.withdraw("10.1.0.64/26");
    speaker.settle();
    expect([...two.table.keys()]).toEqual(["10.1.0.0/26"]);
    reachable = false;
    speaker.core.nextHopsChanged();
    speaker.settle();
    expect([...two.table.keys()]).toEqual([]);
    expect(speaker.core.explain(prefixOf("10.1.0.0/26"))).toMatchObject([
      { best: false, lostBy: "next hop 10.0.0.1 cannot be reached" },
    ]);
    reachable = true;
    speaker.core.nextHopsChanged();
    speaker.settle();
    expect([...two.table.keys()]).toEqual(["10.1.0.0/26"]);
  });
});
