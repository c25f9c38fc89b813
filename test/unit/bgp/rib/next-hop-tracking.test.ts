import { describe, expect, it } from "vitest";
import type { Policy } from "../../../../src/bgp/policy/types.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { acceptPolicy, attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

const prefix = "10.1.0.0/26";
const learned = attributesOf([], { localPref: 100 });

const client = (number: number, others: Partial<PeerConfig> = {}): PeerConfig =>
  peerConfigOf(
    { name: `peer-${number}`, address: `10.0.0.${number}`, port: 179 },
    { routeReflectorClient: true, ...others },
  );

/** A speaker whose next hops are reached as `ways` says: by the name of an interface, or not at all. */
async function tracking(ways: Map<string, string>, ...configs: PeerConfig[]) {
  let questions = 0;
  const speaker = new ScriptedSpeaker({
    resolveNextHop: ({ address }) => {
      questions++;
      const name = ways.get(address.toString());
      return name === undefined ? undefined : { metric: 0, interface: name };
    },
  });
  speaker.core.setPeers(configs);
  await speaker.core.start();
  const sessions = configs.map(({ name }) => speaker.session(name));
  for (const session of sessions) session.up();
  const changed = () => {
    questions = 0;
    speaker.core.nextHopsChanged();
    speaker.settle();
    return questions;
  };
  const best = () => speaker.core.bestPaths(prefixOf(prefix)).map(({ nextHop }) => `${nextHop?.address}`);
  return { speaker, sessions, changed, best };
}

describe("a next hop that cannot be reached", () => {
  it("is not used, nobody is told, and the owner hears what the route would be", async () => {
    const { speaker, sessions, best } = await tracking(new Map(), client(1), client(2));
    sessions[0]?.announce(prefix, learned);
    speaker.settle();
    expect(best()).toEqual([]);
    expect(sessions[1]?.table.size).toBe(0);
    expect(speaker.changes).toHaveLength(1);
    expect(speaker.changes[0]).toMatchObject({ paths: [], unresolved: [{ source: { peer: "peer-1" } }] });
    expect(speaker.core.explain(prefixOf(prefix))).toMatchObject([
      { best: false, lostBy: "next hop 10.0.0.1 cannot be reached", rule: "next-hop" },
    ]);
    expect([...speaker.core.locRib()]).toEqual([]);
  });

  it("gives way to one that can be, and comes back when it can be reached itself", async () => {
    const ways = new Map([
      ["10.0.0.1", "eth0"],
      ["10.0.0.2", "eth0"],
    ]);
    const { speaker, sessions, changed, best } = await tracking(ways, client(1), client(2), client(3));
    sessions[0]?.announce(prefix, learned);
    sessions[1]?.announce(prefix, attributesOf([], { localPref: 50 }));
    speaker.settle();
    expect(best()).toEqual(["10.0.0.1"]);
    ways.delete("10.0.0.1");
    changed();
    expect(best()).toEqual(["10.0.0.2"]);
    expect(sessions[2]?.table.get(prefix)?.nextHop.address.toString()).toBe("10.0.0.2");
    ways.delete("10.0.0.2");
    changed();
    expect(best()).toEqual([]);
    expect(sessions[2]?.table.size).toBe(0);
    expect(speaker.changes.at(-1)?.unresolved?.map(({ nextHop }) => `${nextHop?.address}`)).toEqual(["10.0.0.1"]);
    ways.set("10.0.0.1", "eth0");
    changed();
    expect(best()).toEqual(["10.0.0.1"]);
    expect(speaker.changes.at(-1)?.unresolved).toBeUndefined();
  });

  it("is asked for once, however many routes use it, and only their prefixes are looked at", async () => {
    const ways = new Map([
      ["10.0.0.1", "eth0"],
      ["10.0.0.2", "eth0"],
    ]);
    const { speaker, sessions, changed } = await tracking(ways, client(1), client(2));
    for (let number = 0; number < 200; number++) sessions[0]?.announce(`10.2.${number}.0/24`, learned);
    for (let number = 0; number < 5; number++) sessions[1]?.announce(`10.3.${number}.0/24`, learned);
    speaker.settle();
    ways.delete("10.0.0.2");
    speaker.changes.length = 0;
    expect(changed()).toBe(2);
    expect(speaker.changes.map((change) => change.prefix.toString()).sort()).toEqual(
      Array.from({ length: 5 }, (_, number) => `10.3.${number}.0/24`),
    );
    for (let number = 0; number < 5; number++) sessions[1]?.withdraw(`10.3.${number}.0/24`);
    speaker.settle();
    expect(changed()).toBe(1);
  });
});

describe("a policy that asks for the interface", () => {
  const notBy = (name: string): Policy => ({
    ...acceptPolicy,
    rules: [{ name: `not by ${name}`, match: { interface: name }, action: "reject" }],
  });

  it("judges again when the next hop moves to another one, on import and on export", async () => {
    const ways = new Map([["10.0.0.1", "eth0"]]);
    const { speaker, sessions, changed, best } = await tracking(
      ways,
      client(1, { importPolicy: notBy("tun*") }),
      client(2, { exportPolicy: notBy("eth1") }),
    );
    sessions[0]?.announce(prefix, learned);
    speaker.settle();
    expect(best()).toEqual(["10.0.0.1"]);
    expect(sessions[1]?.table.has(prefix)).toBe(true);
    ways.set("10.0.0.1", "eth1");
    changed();
    expect(best()).toEqual(["10.0.0.1"]);
    expect(sessions[1]?.table.has(prefix)).toBe(false);
    ways.set("10.0.0.1", "tun0");
    changed();
    expect(best()).toEqual([]);
    ways.set("10.0.0.1", "eth0");
    changed();
    expect(best()).toEqual(["10.0.0.1"]);
    expect(sessions[1]?.table.has(prefix)).toBe(true);
  });

  it("takes a route of our own for one without interface", async () => {
    const exportPolicy = notBy("*");
    const { speaker, sessions } = await tracking(new Map(), client(1, { exportPolicy }), client(2));
    speaker.core.updateOriginated([{ prefix: prefixOf(prefix), attributes: attributesOf() }], []);
    speaker.settle();
    expect([sessions[0]?.table.size, sessions[1]?.table.size]).toEqual([0, 1]);
  });
});
