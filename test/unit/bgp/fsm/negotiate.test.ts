import { describe, expect, test } from "vitest";
import { negotiate } from "../../../../src/bgp/fsm/negotiate.ts";
import { buildOpen } from "../../../../src/bgp/fsm/offer.ts";
import type { Capability } from "../../../../src/bgp/packet/capability.ts";
import type { OpenMessage } from "../../../../src/bgp/packet/message.ts";
import type { NegotiatedSession, PeerConfig } from "../../../../src/bgp/types.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { localAddress, notRestarting, peerConfig, remoteOpen } from "./support.ts";

const ownId = 0x0a000001;

function judge(open: OpenMessage, config: Partial<PeerConfig> = {}) {
  const ours = buildOpen(peerConfig(config), ownId, notRestarting);
  return negotiate(peerConfig(config), localAddress, ours, open);
}

function agree(open: OpenMessage, config: Partial<PeerConfig> = {}): NegotiatedSession {
  const result = judge(open, config);
  if (!result.ok) throw new Error(result.error.reason);
  return result.session;
}

function refusal(open: OpenMessage, config: Partial<PeerConfig> = {}) {
  const result = judge(open, config);
  if (result.ok) throw new Error("the OPEN was accepted");
  return { code: `${result.error.code}/${result.error.subcode}`, data: Buffer.from(result.error.data).toString("hex") };
}

const ipv4: Capability = { kind: "multiprotocol", afi: 1, safi: 1 };
const ipv6: Capability = { kind: "multiprotocol", afi: 2, safi: 1 };
const as4: Capability = { kind: "four-octet-as", asNumber: 64512 };

describe("our OPEN", () => {
  test("wants its routes kept for long only if configured, but always says that it knows how to", () => {
    const longLived = (config: Partial<PeerConfig>) =>
      buildOpen(peerConfig(config), ownId, {
        restarting: false,
        preservedFamilies: ["ipv4-unicast"],
      }).capabilities.find(({ kind }) => kind === "long-lived-graceful-restart");
    const gracefulRestart = { restartTimeSec: 120 };
    const longLivedGracefulRestart = { staleTimeSec: 3600 };
    expect(longLived({ gracefulRestart })).toMatchObject({ families: [] });
    expect(longLived({ gracefulRestart, longLivedGracefulRestart })).toMatchObject({
      families: [{ afi: 1, safi: 1, forwardingPreserved: true, staleTimeSec: 3600 }],
    });
    expect(longLived({ longLivedGracefulRestart })).toBeUndefined();
  });

  test("offers the configured families, graceful restart and all that costs nothing", () => {
    const config = peerConfig({
      families: ["ipv4-unicast", "ipv6-unicast"],
      localAs: 4200000001,
      gracefulRestart: { restartTimeSec: 120 },
    });
    const open = buildOpen(config, ownId, { restarting: true, preservedFamilies: ["ipv6-unicast"] });
    expect(open).toMatchObject({ version: 4, myAs: 23456, holdTimeSec: 90, bgpIdentifier: ownId });
    expect(open.capabilities).toEqual([
      ipv4,
      ipv6,
      { kind: "route-refresh" },
      { kind: "extended-message" },
      {
        kind: "graceful-restart",
        restarting: true,
        notification: true,
        restartTimeSec: 120,
        families: [
          { afi: 1, safi: 1, forwardingPreserved: false },
          { afi: 2, safi: 1, forwardingPreserved: true },
        ],
      },
      { kind: "long-lived-graceful-restart", families: [] },
      { kind: "four-octet-as", asNumber: 4200000001 },
      { kind: "enhanced-route-refresh" },
    ]);
  });

  test("says nothing of graceful restart unless configured", () => {
    const { capabilities, myAs } = buildOpen(peerConfig(), ownId, notRestarting);
    expect(capabilities.some(({ kind }) => kind === "graceful-restart")).toBe(false);
    expect(myAs).toBe(64512);
  });
});

describe("ADD-PATH", () => {
  const both = { "ipv4-unicast": { receive: true, send: "all" }, "ipv6-unicast": { receive: true } } as const;
  const config = { families: ["ipv4-unicast", "ipv6-unicast"], addPath: both } as const;

  test("is offered for the configured families and directions, and otherwise not", () => {
    const offered = ({ capabilities }: OpenMessage) => capabilities.filter(({ kind }) => kind === "add-path");
    expect(offered(buildOpen(peerConfig(config), ownId, notRestarting))).toEqual([
      {
        kind: "add-path",
        families: [
          { afi: 1, safi: 1, mode: "both" },
          { afi: 2, safi: 1, mode: "receive" },
        ],
      },
    ]);
    expect(offered(buildOpen(peerConfig({ addPath: {} }), ownId, notRestarting))).toEqual([]);
  });

  test.each([
    ["both", true, true],
    ["receive", true, false],
    ["send", false, true],
  ] as const)("with a peer that says %s is used in the directions that both want", (mode, send, receive) => {
    const families = [1, 2].map((afi) => ({ afi, safi: 1, mode }));
    const theirs = remoteOpen({}, { capabilities: [ipv4, ipv6, as4, { kind: "add-path", families }] });
    const session = agree(theirs, config);
    expect(session.addPathSend).toEqual(send ? ["ipv4-unicast"] : []);
    expect(session.addPathReceive).toEqual(receive ? ["ipv4-unicast", "ipv6-unicast"] : []);
    expect(agree(theirs, { families: config.families })).toMatchObject({ addPathSend: [], addPathReceive: [] });
  });

  test("is not used for a family that only one side has", () => {
    const families = [{ afi: 2, safi: 1, mode: "both" } as const];
    const session = agree(remoteOpen({}, { capabilities: [ipv4, as4, { kind: "add-path", families }] }), config);
    expect(session).toMatchObject({ families: ["ipv4-unicast"], addPathSend: [], addPathReceive: [] });
  });
});

describe("the peer's OPEN", () => {
  test("is judged by capability 65 and not by My Autonomous System", () => {
    const capabilities: Capability[] = [ipv4, { kind: "four-octet-as", asNumber: 4200000001 }];
    expect(judge(remoteOpen({}, { myAs: 23456, capabilities }), { remoteAs: 4200000001 }).ok).toBe(true);
    expect(refusal(remoteOpen({}, { myAs: 64512, capabilities })).code).toBe("2/2");
  });

  test("of a speaker without capability 65 is judged by My Autonomous System", () => {
    const session = agree(remoteOpen({}, { capabilities: [ipv4] }));
    expect(session.fourOctetAs).toBe(false);
    expect(refusal(remoteOpen({}, { capabilities: [ipv4], myAs: 64513 })).code).toBe("2/2");
  });

  test("with two different four-octet AS numbers is refused with 2/2, with the same one twice it is not", () => {
    expect(refusal(remoteOpen({}, { capabilities: [ipv4, as4, { ...as4, asNumber: 1 }] })).code).toBe("2/2");
    expect(judge(remoteOpen({}, { capabilities: [ipv4, as4, as4] })).ok).toBe(true);
  });

  test("with our identifier is refused in our AS only", () => {
    expect(refusal(remoteOpen({}, { bgpIdentifier: ownId })).code).toBe("2/3");
    const ebgp = agree(remoteOpen({ localAs: 65001 }, { bgpIdentifier: ownId }), { remoteAs: 65001 });
    expect(ebgp.peerType).toBe("ebgp");
    expect(refusal(remoteOpen({ localAs: 65001 }, { bgpIdentifier: 0 }), { remoteAs: 65001 }).code).toBe("2/3");
  });

  test.each([1, 2])("with hold time %i is refused with 2/6 and the value", (holdTimeSec) => {
    expect(refusal(remoteOpen({}, { holdTimeSec }))).toEqual({ code: "2/6", data: `000${holdTimeSec}` });
  });

  test("without a common family is refused with 2/7 and what we want", () => {
    expect(refusal(remoteOpen({}, { capabilities: [ipv6, as4] }))).toEqual({ code: "2/7", data: "010400010001" });
    expect(refusal(remoteOpen({}, { capabilities: [as4] }), { families: ["ipv6-unicast"] }).code).toBe("2/7");
  });

  test("without multiprotocol capabilities means IPv4 unicast, with one it means only what it lists", () => {
    const both: Partial<PeerConfig> = { families: ["ipv4-unicast", "ipv6-unicast"] };
    expect(agree(remoteOpen({}, { capabilities: [as4] }), both).families).toEqual(["ipv4-unicast"]);
    expect(agree(remoteOpen({}, { capabilities: [ipv6, as4] }), both).families).toEqual(["ipv6-unicast"]);
    expect(agree(remoteOpen({}, { capabilities: [ipv6, ipv4, as4] }), both).families).toEqual(both.families);
  });
});

describe("what both sides agree on", () => {
  test.each([
    [90, 240, undefined, 90, 30],
    [240, 9, undefined, 9, 3],
    [90, 90, 5, 90, 5],
    [90, 9, 20, 9, 3],
    [3, 90, undefined, 3, 1],
    [0, 90, undefined, 0, 0],
    [90, 0, 10, 0, 0],
  ])("hold times %i and %i with a keepalive wish of %s give %i and %i", (ours, theirs, wish, hold, keepalive) => {
    const config = { holdTimeSec: ours, ...(wish === undefined ? {} : { keepaliveTimeSec: wish }) };
    const session = agree(remoteOpen({ holdTimeSec: theirs }), config);
    expect(session).toMatchObject({ holdTimeSec: hold, keepaliveTimeSec: keepalive });
  });

  test("graceful restart needs both sides and names only common families", () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const theirs: Partial<PeerConfig> = { gracefulRestart, families: ["ipv4-unicast", "ipv6-unicast"] };
    expect(agree(remoteOpen(theirs)).gracefulRestart).toBeUndefined();
    expect(agree(remoteOpen(), { gracefulRestart }).gracefulRestart).toBeUndefined();
    const open = buildOpen(peerConfig(theirs), 7, { restarting: true, preservedFamilies: ["ipv4-unicast"] });
    expect(agree(open, { gracefulRestart }).gracefulRestart).toEqual({
      restarting: true,
      restartTimeSec: 120,
      families: new Map([["ipv4-unicast", true]]),
      notification: true,
    });
  });

  test("has only what is in both OPENs", () => {
    const capabilities: Capability[] = [ipv4, as4];
    const both = { routeRefresh: true, enhancedRouteRefresh: true, maxMessageLength: 65535 };
    const neither = { routeRefresh: false, enhancedRouteRefresh: false, maxMessageLength: 4096 };
    expect(agree(remoteOpen())).toMatchObject(both);
    expect(agree(remoteOpen({}, { capabilities }))).toMatchObject(neither);
    expect(agree(remoteOpen(), { extendedMessages: false })).toMatchObject({ ...both, maxMessageLength: 4096 });
    const ours = { ...buildOpen(peerConfig(), ownId, notRestarting), capabilities };
    expect(negotiate(peerConfig(), localAddress, ours, remoteOpen())).toMatchObject({ ok: true, session: neither });
  });

  test("lets IPv4 routes have IPv6 next hops if both OPENs say so, which ours does over IPv6 unless told otherwise", () => {
    const ipv6Peer = { address: IpAddress.parse("fd00::2") };
    const theirs = remoteOpen(ipv6Peer);
    expect(agree(theirs, ipv6Peer).ipv4OverIpv6).toBe(true);
    expect(agree(remoteOpen(), ipv6Peer).ipv4OverIpv6).toBe(false);
    expect(agree(theirs).ipv4OverIpv6).toBe(false);
    expect(agree(theirs, { ipv4OverIpv6: true }).ipv4OverIpv6).toBe(true);
    expect(agree(theirs, { ...ipv6Peer, ipv4OverIpv6: false }).ipv4OverIpv6).toBe(false);
    const both = ["ipv4-unicast", "ipv6-unicast"] as const;
    const onlyIpv6 = remoteOpen({ ...ipv6Peer, families: ["ipv6-unicast"] });
    expect(agree(onlyIpv6, { ...ipv6Peer, families: both }).ipv4OverIpv6).toBe(false);
    const otherWay = { kind: "extended-next-hop", families: [{ afi: 2, safi: 1, nextHopAfi: 1 }] } as const;
    const odd = {
      ...theirs,
      capabilities: theirs.capabilities.map((one) => (one.kind === otherWay.kind ? otherWay : one)),
    };
    expect(agree(odd, ipv6Peer).ipv4OverIpv6).toBe(false);
  });

  test("has the long-lived stale times of the peer, of common families and only with graceful restart", () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const families = ["ipv4-unicast", "ipv6-unicast"] as const;
    const theirs = remoteOpen({ gracefulRestart, families, longLivedGracefulRestart: { staleTimeSec: 3600 } });
    expect(agree(theirs, { gracefulRestart }).longLivedGracefulRestart).toEqual(
      new Map([["ipv4-unicast", { staleTimeSec: 3600, preserved: false }]]),
    );
    expect(agree(remoteOpen({ gracefulRestart }), { gracefulRestart }).longLivedGracefulRestart).toEqual(new Map());
    expect(agree(theirs).longLivedGracefulRestart).toBeUndefined();
    const without = theirs.capabilities.filter(({ kind }) => kind !== "graceful-restart");
    expect(agree({ ...theirs, capabilities: without }, { gracefulRestart }).longLivedGracefulRestart).toBeUndefined();
  });

  test("keeps what the peer offers besides, and ADD-PATH is not offered", () => {
    const capabilities: Capability[] = [ipv4, as4, { kind: "unknown", code: 200, value: Uint8Array.of(1) }];
    expect(agree(remoteOpen({}, { capabilities }))).toMatchObject({
      addPathReceive: [],
      addPathSend: [],
      remoteCapabilities: capabilities,
    });
  });
});
