import { describe, expect, it, vi } from "vitest";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { addressOf, attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import {
  bestOf,
  freePort,
  makeSpeaker,
  originate,
  peering,
  type TestSpeaker,
  tableOf,
} from "../../../support/speakers.ts";

const patience = { timeout: 10_000, interval: 5 };

async function startMesh(count: number, config: Partial<PeerConfig> = {}): Promise<TestSpeaker[]> {
  const port = await freePort();
  const speakers = Array.from({ length: count }, () => makeSpeaker(port));
  for (const self of speakers)
    self.speaker.setPeers(
      speakers.filter((other) => other !== self).map((other) => peering(self, other, port, config)),
    );
  await Promise.all(speakers.map(({ speaker }) => speaker.start()));
  return speakers;
}

describe("a full iBGP mesh of three speakers", () => {
  it("gives everyone the routes of all others with their addresses as next hops, and converges once", async () => {
    const speakers = await startMesh(3);
    const [a, b, c] = speakers;
    if (a === undefined || b === undefined || c === undefined) throw new Error("three speakers");
    originate(a, "10.1.0.0/26", "10.1.0.64/26");
    originate(b, "10.2.0.0/26");
    const expected = (self: TestSpeaker) => ({
      "10.1.0.0/26": self === a ? "local" : a.nextHop,
      "10.1.0.64/26": self === a ? "local" : a.nextHop,
      "10.2.0.0/26": self === b ? "local" : b.nextHop,
    });
    await vi.waitFor(() => {
      for (const self of speakers) expect(tableOf(self)).toEqual(expected(self));
      expect(speakers.map(({ convergences }) => convergences)).toEqual([1, 1, 1]);
    }, patience);
    expect(bestOf(c, "10.1.0.0/26")?.attributes).toMatchObject({ asPath: [], localPref: 100 });

    a.speaker.updateOriginated([], [prefixOf("10.1.0.64/26")]);
    await vi.waitFor(() => expect(tableOf(c)).not.toHaveProperty(["10.1.0.64/26"]), patience);
    expect(c.changes.at(-1)).toEqual({ prefix: prefixOf("10.1.0.64/26"), paths: [] });
    expect(b.speaker.received(c.address)).toEqual([]);
    expect(b.speaker.advertised(c.address).map(({ prefix }) => prefix.toString())).toEqual(["10.2.0.0/26"]);
    expect(b.speaker.peers()).toMatchObject([
      { state: "Established", received: 1, accepted: 1, stale: 0, advertised: 1, endOfRibReceived: ["ipv4-unicast"] },
      { state: "Established", received: 0, accepted: 0, stale: 0, advertised: 1, endOfRibReceived: ["ipv4-unicast"] },
    ]);
  });

  it("loses the routes of a speaker that shuts down, and without graceful restart also of one that restarts", async () => {
    for (const mode of ["shutdown", "restart"] as const) {
      const [a, b, c] = await startMesh(3);
      if (a === undefined || b === undefined || c === undefined) throw new Error("three speakers");
      originate(a, "10.1.0.0/26");
      await vi.waitFor(
        () => expect([tableOf(b), tableOf(c)]).toEqual([{ "10.1.0.0/26": a.nextHop }, { "10.1.0.0/26": a.nextHop }]),
        patience,
      );
      await a.speaker.stop(mode);
      await vi.waitFor(() => expect([tableOf(b), tableOf(c)]).toEqual([{}, {}]), patience);
    }
  });

  it("passes a route to a peer that comes later, and EoR also with nothing to send", async () => {
    const port = await freePort();
    const [a, b] = [makeSpeaker(port), makeSpeaker(port)];
    originate(a, "10.1.0.0/26");
    a.speaker.setPeers([]);
    await a.speaker.start();
    await vi.waitFor(() => expect(a.convergences).toBe(1), patience);
    a.speaker.setPeers([peering(a, b, port)]);
    b.speaker.setPeers([peering(b, a, port)]);
    await b.speaker.start();
    await vi.waitFor(() => {
      expect(tableOf(b)).toEqual({ "10.1.0.0/26": a.nextHop });
      expect(a.speaker.peers()[0]?.endOfRibReceived).toEqual(["ipv4-unicast"]);
    }, patience);
    expect(a.convergences).toBe(1);
  });
});

describe("a change of peers", () => {
  it("of a policy shows on both sides without a reset of the session", async () => {
    const port = await freePort();
    const [a, b] = [makeSpeaker(port), makeSpeaker(port)];
    const toB = peering(a, b, port);
    const toA = peering(b, a, port);
    a.speaker.setPeers([toB]);
    b.speaker.setPeers([toA]);
    await Promise.all([a.speaker.start(), b.speaker.start()]);
    originate(a, "10.1.0.0/26", "10.2.0.0/26");
    await vi.waitFor(() => expect(Object.keys(tableOf(b))).toHaveLength(2), patience);

    const no10dot1 = {
      name: "no 10.1",
      rules: [
        {
          name: "10.1",
          match: { prefixes: [{ prefix: prefixOf("10.1.0.0/16"), operator: "in" }] },
          action: "reject",
        },
      ],
      defaultAction: "accept",
    } as const;
    b.speaker.setPeers([{ ...toA, importPolicy: no10dot1 }]);
    await vi.waitFor(() => expect(tableOf(b)).toEqual({ "10.2.0.0/26": a.nextHop }), patience);
    expect(b.speaker.received(a.address).find(({ path }) => path.prefix.equals(prefixOf("10.1.0.0/26")))).toMatchObject(
      {
        best: false,
        multipath: false,
        lostBy: "policy no 10.1 rule 10.1 rejected",
      },
    );
    b.speaker.setPeers([toA]);
    await vi.waitFor(() => expect(Object.keys(tableOf(b))).toHaveLength(2), patience);

    const prefer = {
      name: "prefer",
      rules: [{ name: "all", match: {}, action: "accept", operations: [{ type: "set-local-pref", value: 300 }] }],
      defaultAction: "reject",
    } as const;
    a.speaker.setPeers([{ ...toB, exportPolicy: prefer }]);
    await vi.waitFor(() => expect(bestOf(b, "10.1.0.0/26")?.attributes.localPref).toBe(300), patience);
    a.speaker.setPeers([{ ...toB, exportPolicy: no10dot1 }]);
    await vi.waitFor(() => expect(tableOf(b)).toEqual({ "10.2.0.0/26": a.nextHop }), patience);

    expect(a.states).toEqual([`${b.address} Established`]);
    expect(b.states).toEqual([`${a.address} Established`]);
    expect(a.speaker.peers()[0]?.counters.established).toBe(1);
  });

  it("of the session's own settings makes a new session, and a peer that is gone takes its routes along", async () => {
    const port = await freePort();
    const [a, b] = [makeSpeaker(port), makeSpeaker(port)];
    a.speaker.setPeers([peering(a, b, port)]);
    b.speaker.setPeers([peering(b, a, port)]);
    await Promise.all([a.speaker.start(), b.speaker.start()]);
    originate(b, "10.2.0.0/26");
    await vi.waitFor(() => expect(tableOf(a)).toEqual({ "10.2.0.0/26": b.nextHop }), patience);
    a.speaker.setPeers([peering(a, b, port, { holdTimeSec: 30 })]);
    await vi.waitFor(() => {
      expect(a.speaker.peers()[0]?.negotiated?.holdTimeSec).toBe(30);
      expect(tableOf(a)).toEqual({ "10.2.0.0/26": b.nextHop });
    }, patience);
    a.speaker.setPeers([]);
    await vi.waitFor(() => expect(tableOf(a)).toEqual({}), patience);
    await vi.waitFor(() => expect(b.states.at(-1)).toMatch("notification-received"), patience);
  });

  it("that names one address twice is refused as a whole", async () => {
    const port = await freePort();
    const a = makeSpeaker(port);
    const config = peerConfigOf({ name: "one", address: "127.0.0.9", port });
    expect(() => a.speaker.setPeers([config, { ...config, name: "two" }])).toThrow(
      expect.objectContaining({ code: "DUPLICATE_PEER", message: "peers one and two have the same address 127.0.0.9" }),
    );
    expect(a.speaker.peers()).toEqual([]);
  });
});

describe("an eBGP chain", () => {
  it("grows the AS_PATH at every hop, names itself as next hop, and does not come back", async () => {
    const port = await freePort();
    const speakers = [makeSpeaker(port), makeSpeaker(port), makeSpeaker(port)];
    const [a, b, c] = speakers;
    if (a === undefined || b === undefined || c === undefined) throw new Error("three speakers");
    const as = new Map([
      [a, 65001],
      [b, 65002],
      [c, 4_200_000_003],
    ]);
    const link = (self: TestSpeaker, other: TestSpeaker) =>
      peering(self, other, port, { localAs: as.get(self) ?? 0, remoteAs: as.get(other) ?? 0 });
    a.speaker.setPeers([link(a, b)]);
    b.speaker.setPeers([link(b, a), link(b, c)]);
    c.speaker.setPeers([link(c, b)]);
    await Promise.all(speakers.map(({ speaker }) => speaker.start()));
    a.speaker.updateOriginated(
      [{ prefix: prefixOf("10.1.0.0/26"), attributes: attributesOf([], { med: 50, localPref: 500 }) }],
      [],
    );
    originate(c, "10.3.0.0/26");
    await vi.waitFor(() => {
      expect(tableOf(c)).toEqual({ "10.1.0.0/26": b.nextHop, "10.3.0.0/26": "local" });
      expect(tableOf(a)).toEqual({ "10.1.0.0/26": "local", "10.3.0.0/26": b.nextHop });
    }, patience);
    expect(bestOf(b, "10.1.0.0/26")?.attributes).toEqual(attributesOf([65001], { med: 50 }));
    expect(bestOf(c, "10.1.0.0/26")?.attributes).toEqual(attributesOf([65002, 65001]));
    expect(bestOf(a, "10.3.0.0/26")?.attributes).toEqual(attributesOf([65002, 4_200_000_003]));
    expect(a.speaker.received(b.address)).toHaveLength(1);
  });
});

describe("a route reflector with two clients", () => {
  it("passes routes between clients with ORIGINATOR_ID and CLUSTER_LIST and leaves the next hop alone", async () => {
    const port = await freePort();
    const [reflector, one, two] = [makeSpeaker(port), makeSpeaker(port), makeSpeaker(port)];
    reflector.speaker.setPeers(
      [one, two].map((client) => peering(reflector, client, port, { routeReflectorClient: true, clusterId: 77 })),
    );
    for (const client of [one, two]) client.speaker.setPeers([peering(client, reflector, port)]);
    await Promise.all([reflector, one, two].map(({ speaker }) => speaker.start()));
    originate(one, "10.1.0.0/26");
    originate(two, "10.2.0.0/26");
    await vi.waitFor(() => {
      expect(tableOf(two)).toEqual({ "10.1.0.0/26": one.nextHop, "10.2.0.0/26": "local" });
      expect(tableOf(one)).toEqual({ "10.1.0.0/26": "local", "10.2.0.0/26": two.nextHop });
    }, patience);
    expect(bestOf(two, "10.1.0.0/26")?.attributes).toMatchObject({
      originatorId: addressOf(one.address).w0,
      clusterList: [77],
    });
    reflector.speaker.setPeers(
      [one, two].map((client) => peering(reflector, client, port, { routeReflectorClient: true, clusterId: 78 })),
    );
    await vi.waitFor(() => expect(bestOf(two, "10.1.0.0/26")?.attributes.clusterList).toEqual([78]), patience);
    expect(two.states).toEqual([`${reflector.address} Established`]);
    // Nothing comes back to the client that it came from, although both share one update group.
    expect(one.speaker.received(reflector.address).map(({ path }) => path.prefix.toString())).toEqual(["10.2.0.0/26"]);
    expect(reflector.speaker.advertised(one.address).map(({ prefix }) => prefix.toString())).toEqual(["10.2.0.0/26"]);
    expect(reflector.speaker.peers().map(({ advertised }) => advertised)).toEqual([1, 1]);
  });
});
