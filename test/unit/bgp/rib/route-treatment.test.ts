import { describe, expect, it } from "vitest";
import { isBlackhole, type RouteTreatment } from "../../../../src/bgp/route-treatment.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { acceptPolicy, attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

const prefix = "10.1.0.0/26";
const gracefulShutdown = 0xffff0000;
const blackhole = 0xffff029a;
const noExport = 0xffffff01;

const ebgp = (number: number, treatment: RouteTreatment = {}, others: Partial<PeerConfig> = {}): PeerConfig =>
  peerConfigOf(
    { name: `peer-${number}`, address: `10.0.0.${number}`, port: 179 },
    { remoteAs: 65000 + number, treatment, ...others },
  );

/** A speaker of AS 64512 with these peers, all of them up. */
async function between(...configs: PeerConfig[]) {
  const speaker = new ScriptedSpeaker();
  speaker.core.setPeers(configs);
  await speaker.core.start();
  const sessions = configs.map(({ name }) => speaker.session(name));
  for (const session of sessions) session.up();
  const [from = speaker.session(""), to = speaker.session("")] = sessions;
  return { speaker, from, to };
}

/** The AS_PATH that the second peer sees of what the first one sends. */
async function pathThrough(received: readonly number[], inward: RouteTreatment, outward: RouteTreatment) {
  const { speaker, from, to } = await between(ebgp(1, inward), ebgp(2, outward));
  from.announce(prefix, attributesOf(received));
  speaker.settle();
  return to.table.get(prefix)?.attributes.asPath.flatMap(({ asNumbers }) => asNumbers);
}

describe("AS_PATHs", () => {
  it("get our number in front and nothing else by default", async () => {
    expect(await pathThrough([65001, 4200000001], {}, {})).toEqual([64512, 65001, 4200000001]);
  });

  it("lose private numbers with remove-private, but for the peer's own", async () => {
    expect(await pathThrough([65001, 3356, 4200000001], {}, { removePrivateAs: "remove" })).toEqual([64512, 3356]);
    expect(await pathThrough([65001, 65002, 3356], {}, { removePrivateAs: "remove" })).toEqual([64512, 65002, 3356]);
    expect(await pathThrough([65001, 3356], {}, { removePrivateAs: "replace" })).toEqual([64512, 64512, 3356]);
  });

  it("have the peer's number replaced with as-override", async () => {
    expect(await pathThrough([65001, 65002, 65002], {}, { asOverride: true })).toEqual([64512, 65001, 64512, 64512]);
  });

  it("show with local-as the other number, and ours behind it or not", async () => {
    const localAs = (prependReceived: boolean, replaceReal: boolean): RouteTreatment => ({
      localAs: { realAs: 64999, prependReceived, replaceReal },
    });
    expect(await pathThrough([65001], {}, localAs(false, false))).toEqual([64512, 64999, 65001]);
    expect(await pathThrough([65001], {}, localAs(false, true))).toEqual([64512, 65001]);
    expect(await pathThrough([65001], localAs(true, true), {})).toEqual([64512, 64512, 65001]);
  });

  it("with either of our numbers in them are loops", async () => {
    const treatment = { localAs: { realAs: 64999, prependReceived: false, replaceReal: true } };
    expect(await pathThrough([65001, 64999], treatment, {})).toBeUndefined();
    expect(await pathThrough([65001, 64512], treatment, {})).toBeUndefined();
    expect(await pathThrough([65001, 64998], treatment, {})).toEqual([64512, 65001, 64998]);
  });
});

describe("GRACEFUL_SHUTDOWN (RFC 8326)", () => {
  const leaving = attributesOf([65001], { communities: [gracefulShutdown] });

  it("makes a route of an eBGP peer the last choice, unless that is not wanted", async () => {
    const { speaker, from, to } = await between(ebgp(1), ebgp(2));
    from.announce(prefix, leaving);
    to.announce(prefix, attributesOf([65002, 65003, 65004]));
    speaker.settle();
    const [best] = speaker.core.bestPaths(prefixOf(prefix));
    expect(best?.source).toMatchObject({ peer: "peer-2" });
    speaker.core.setPeers([ebgp(1, { honourGracefulShutdown: false }), ebgp(2)]);
    speaker.settle();
    expect(speaker.core.bestPaths(prefixOf(prefix))[0]?.source).toMatchObject({ peer: "peer-1" });
  });

  it("changes nothing of what an iBGP peer sends", async () => {
    const { speaker, from } = await between(ebgp(1, {}, { remoteAs: 64512 }), ebgp(2));
    from.announce(prefix, attributesOf([], { localPref: 100, communities: [gracefulShutdown] }));
    speaker.settle();
    expect(speaker.core.bestPaths(prefixOf(prefix))[0]?.attributes.localPref).toBe(100);
  });

  it("goes out with everything on a live session while we are about to leave", async () => {
    const inside = (treatment: RouteTreatment) => ebgp(2, treatment, { remoteAs: 64512 });
    const { speaker, from, to } = await between(ebgp(1), inside({}));
    speaker.core.updateOriginated([{ prefix: prefixOf(prefix), attributes: attributesOf() }], []);
    speaker.settle();
    const told = () => [from, to].map(({ table }) => table.get(prefix)?.attributes);
    expect(told()).toMatchObject([{ communities: [] }, { communities: [], localPref: 100 }]);
    const leave: RouteTreatment = { announceGracefulShutdown: true };
    speaker.core.setPeers([ebgp(1, leave), inside(leave)]);
    speaker.settle();
    expect(told()).toMatchObject([
      { communities: [gracefulShutdown] },
      { communities: [gracefulShutdown], localPref: 0 },
    ]);
    expect(from.established && to.established).toBe(true);
  });
});

describe("BLACKHOLE (RFC 7999)", () => {
  const wanted = attributesOf([65001], { communities: [blackhole] });

  it("is a wish that counts if the peer may have it, and that goes no further", async () => {
    const { speaker, from, to } = await between(ebgp(1, { honourBlackhole: true }), ebgp(2));
    from.announce(prefix, wanted);
    speaker.settle();
    const [best] = speaker.core.bestPaths(prefixOf(prefix));
    expect(best && isBlackhole(best)).toBe(true);
    expect(best?.attributes.communities).toEqual([blackhole, noExport]);
    expect(to.table.has(prefix)).toBe(false);
  });

  it("is a community like any other if not", async () => {
    const { speaker, from, to } = await between(ebgp(1), ebgp(2));
    from.announce(prefix, wanted);
    speaker.settle();
    const [best] = speaker.core.bestPaths(prefixOf(prefix));
    expect(best && isBlackhole(best)).toBe(false);
    expect(to.table.has(prefix)).toBe(true);
  });
});

describe("an eBGP peer without policy, where one is required (RFC 8212)", () => {
  const without = (config: PeerConfig): PeerConfig => {
    const { importPolicy: _import, exportPolicy: _export, ...others } = config;
    return others;
  };

  it("gives and gets nothing, and says why, until it has one; iBGP goes on", async () => {
    const speaker = new ScriptedSpeaker({ requirePolicy: true });
    const inside = without(ebgp(2, {}, { remoteAs: 64512 }));
    speaker.core.setPeers([without(ebgp(1)), inside]);
    await speaker.core.start();
    const [outer, inner] = [speaker.session("peer-1"), speaker.session("peer-2")];
    for (const session of [outer, inner]) session.up();
    outer.announce(prefix, attributesOf([65001]));
    inner.announce("10.2.0.0/26", attributesOf([], { localPref: 100 }));
    speaker.core.updateOriginated([{ prefix: prefixOf("10.3.0.0/26"), attributes: attributesOf() }], []);
    speaker.settle();
    expect(speaker.core.received("peer-1").map(({ lostBy }) => lostBy)).toEqual([
      "policy none (RFC 8212 wants one for eBGP) rule default rejected",
    ]);
    expect([...outer.table.keys()]).toEqual([]);
    expect([...inner.table.keys()]).toEqual(["10.3.0.0/26"]);
    speaker.core.setPeers([{ ...without(ebgp(1)), importPolicy: acceptPolicy, exportPolicy: acceptPolicy }, inside]);
    speaker.settle();
    expect([...outer.table.keys()].sort()).toEqual(["10.2.0.0/26", "10.3.0.0/26"]);
    expect([...inner.table.keys()].sort()).toEqual([prefix, "10.3.0.0/26"]);
  });
});
