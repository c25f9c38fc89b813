import { describe, expect, it } from "vitest";
import type { Path } from "../../../../src/bgp/paths.ts";
import { AttributeStore } from "../../../../src/bgp/rib/attribute-store.ts";
import { type ExportProfile, type ExportResult, ExportRules } from "../../../../src/bgp/rib/export-rules.ts";
import {
  acceptPolicy,
  addressOf,
  attributesOf,
  contextOf,
  pathOf,
  peerSource,
  prefixOf,
  via,
} from "../../../support/bgp.ts";

const clusterId = 0x63636363;
const self = addressOf("10.0.0.100");

const profileOf = (peerType: "ibgp" | "ebgp", others: Partial<ExportProfile> = {}): ExportProfile => ({
  policy: acceptPolicy,
  context: contextOf(peerType),
  addPathLimits: {},
  localAs: 64512,
  routeReflectorClient: false,
  clusterId,
  nextHopMode: "auto",
  selfAddresses: { "ipv4-unicast": self },
  ...others,
});

const ibgp = profileOf("ibgp");
const ebgp = profileOf("ebgp");
const client = profileOf("ibgp", { routeReflectorClient: true });

function exported(path: Path, profile: ExportProfile): ExportResult {
  const store = new AttributeStore();
  return new ExportRules(profile, { intern: (attributes) => store.intern(attributes) }).apply(path);
}

function announced(path: Path, profile: ExportProfile) {
  const result = exported(path, profile);
  if (!result.announced) throw new Error(`not announced: ${result.reason}`);
  return result;
}

const local = (attributes = attributesOf(), others: Partial<Path> = {}) =>
  pathOf({ kind: "local" }, attributes, others);
const fromIbgp = (attributes = attributesOf([], { localPref: 100 })) => pathOf(peerSource(1), attributes);
const fromClient = (attributes = attributesOf([], { localPref: 100 })) =>
  pathOf(peerSource(1, { routeReflectorClient: true }), attributes);
const fromEbgp = (attributes = attributesOf([65001])) =>
  pathOf(peerSource(1, { type: "ebgp", remoteAs: 65001 }), attributes);

describe("who is told what", () => {
  const horizon = "iBGP split horizon: neither side is a route reflector client";
  it.each([
    ["a route of our own", local(), "an iBGP peer", ibgp, undefined],
    ["a route of our own", local(), "an eBGP peer", ebgp, undefined],
    ["a route from eBGP", fromEbgp(), "an iBGP peer", ibgp, undefined],
    ["a route from eBGP", fromEbgp(), "an eBGP peer", ebgp, undefined],
    ["a route from iBGP", fromIbgp(), "an eBGP peer", ebgp, undefined],
    ["a route from iBGP", fromIbgp(), "an iBGP peer", ibgp, horizon],
    ["a route from iBGP", fromIbgp(), "a client", client, undefined],
    ["a route from a client", fromClient(), "an iBGP peer", ibgp, undefined],
    ["a route from a client", fromClient(), "a client", client, undefined],
  ])("%s to %s #%#", (_, path, __, profile, reason) => {
    const result = exported(path, profile);
    expect(result.announced ? undefined : result.reason).toBe(reason);
  });

  it.each([
    ["NO_EXPORT", 0xffffff01, true],
    ["NO_ADVERTISE", 0xffffff02, false],
    ["NO_EXPORT_SUBCONFED", 0xffffff03, true],
  ])("honours %s on learned routes, and leaves it to the receiver on our own", (name, community, towardsIbgp) => {
    const attributes = attributesOf([65001], { communities: [community] });
    expect(exported(fromEbgp(attributes), ebgp)).toEqual({ announced: false, reason: `community ${name}` });
    expect(exported(fromEbgp(attributes), ibgp).announced).toBe(towardsIbgp);
    expect(announced(local(attributes), ebgp).attributes.communities).toEqual([community]);
  });

  it("names the policy and the rule that refused", () => {
    const policy = {
      name: "export-to-mesh",
      rules: [{ name: "own blocks", match: { source: "local" }, action: "reject" }],
      defaultAction: "accept",
    } as const;
    expect(exported(local(), profileOf("ibgp", { policy }))).toEqual({
      announced: false,
      reason: "policy export-to-mesh rule own blocks rejected",
      byPolicy: true,
    });
  });

  it("keeps routes of a family that was not negotiated", () => {
    expect(exported(local(attributesOf(), { prefix: prefixOf("fd00::/64") }), ibgp)).toEqual({
      announced: false,
      reason: "family not negotiated",
    });
  });
});

describe("attributes towards eBGP", () => {
  it("have our AS in front and nothing that belongs inside an AS", () => {
    const attributes = attributesOf([65001], { localPref: 5, originatorId: 6, clusterList: [7] });
    expect(announced(fromIbgp(attributes), ebgp).attributes).toEqual(attributesOf([64512, 65001]));
  });

  it("an eBGP peer gets the transitive extended communities only, an iBGP peer all", () => {
    const extendedCommunities = [0x0002fde800000064n, 0x4004fde800000001n, 0x4300000000000001n, 0x0300000000000001n];
    const path = fromEbgp(attributesOf([65001], { extendedCommunities }));
    expect(announced(path, ebgp).attributes.extendedCommunities).toEqual([0x0002fde800000064n, 0x0300000000000001n]);
    expect(announced(path, ibgp).attributes.extendedCommunities).toEqual(extendedCommunities);
  });

  it("have our AS in front of what the policy prepends", () => {
    const policy = {
      name: "prepend",
      rules: [
        { name: "all", match: {}, action: "accept", operations: [{ type: "prepend-as-path", asNumbers: [1, 1] }] },
      ],
      defaultAction: "reject",
    } as const;
    expect(announced(fromEbgp(), profileOf("ebgp", { policy })).attributes.asPath).toEqual([
      { type: "sequence", asNumbers: [64512, 1, 1, 65001] },
    ]);
  });

  it("lose a learned MED, but keep our own and the policy's", () => {
    const withMed = attributesOf([65001], { med: 5 });
    expect(announced(fromEbgp(withMed), ebgp).attributes).not.toHaveProperty("med");
    expect(announced(fromIbgp(withMed), ebgp).attributes).not.toHaveProperty("med");
    expect(announced(local(withMed), ebgp).attributes.med).toBe(5);
    const policy = {
      name: "med",
      rules: [{ name: "all", match: {}, action: "accept", operations: [{ type: "set-med", value: 5 }] }],
      defaultAction: "reject",
    } as const;
    expect(announced(fromEbgp(withMed), profileOf("ebgp", { policy })).attributes.med).toBe(5);
  });
});

describe("attributes towards iBGP", () => {
  it("always have LOCAL_PREF, and keep MED and AS_PATH", () => {
    const attributes = attributesOf([65001], { med: 5 });
    expect(announced(fromEbgp(attributes), ibgp).attributes).toEqual({ ...attributes, localPref: 100 });
    expect(announced(local(attributesOf([], { localPref: 7 })), ibgp).attributes.localPref).toBe(7);
  });

  it("name the originator once and this reflector always when reflected", () => {
    expect(announced(fromClient(), ibgp).attributes).toMatchObject({
      originatorId: 0x0a000001,
      clusterList: [clusterId],
    });
    const reflectedBefore = attributesOf([], { localPref: 100, originatorId: 42, clusterList: [43] });
    expect(announced(fromIbgp(reflectedBefore), client).attributes).toMatchObject({
      originatorId: 42,
      clusterList: [clusterId, 43],
    });
  });

  it("have nothing of reflection on routes from eBGP and of our own", () => {
    for (const path of [local(), fromEbgp()])
      expect(announced(path, client).attributes).toMatchObject({ clusterList: [] });
    expect(announced(fromEbgp(), client).attributes).not.toHaveProperty("originatorId");
  });
});

describe("the next hop", () => {
  it("of an IPv4 route may be an IPv6 address where that is agreed on (RFC 8950), else we put ourselves there", () => {
    const route = pathOf(peerSource(1), attributesOf([], { localPref: 100 }), { nextHop: via("fd00::7") });
    const over = { context: contextOf("ibgp", { ipv4OverIpv6: true }), routeReflectorClient: true };
    expect(announced(route, profileOf("ibgp", over)).nextHop).toEqual(via("fd00::7"));
    expect(announced(route, client).nextHop).toEqual(via("10.0.0.100"));
    const selfOverIpv6 = { ...over, selfAddresses: { "ipv4-unicast": addressOf("fd00::100") } };
    expect(announced(local(), profileOf("ibgp", selfOverIpv6)).nextHop).toEqual(via("fd00::100"));
  });

  it("is never a link-local address of another link", () => {
    const route = pathOf(peerSource(1), attributesOf([], { localPref: 100 }), { nextHop: via("fe80::7") });
    const over = { context: contextOf("ibgp", { ipv4OverIpv6: true }), routeReflectorClient: true };
    expect(announced(route, profileOf("ibgp", over)).nextHop).toEqual(via("10.0.0.100"));
  });

  const own = local(attributesOf(), { nextHop: via("10.7.7.7") });
  const learned = pathOf(peerSource(1, { type: "ebgp" }), attributesOf([1]), {
    nextHop: { address: addressOf("10.8.8.8"), linkLocal: addressOf("fe80::1") },
  });
  it.each([
    ["auto", "ibgp", local(), "10.0.0.100"],
    ["auto", "ibgp", own, "10.7.7.7"],
    ["auto", "ibgp", learned, "10.8.8.8"],
    ["auto", "ebgp", learned, "10.0.0.100"],
    ["auto", "ebgp", own, "10.0.0.100"],
    ["self", "ibgp", learned, "10.0.0.100"],
    ["keep", "ebgp", learned, "10.8.8.8"],
    ["keep", "ebgp", local(), "10.0.0.100"],
  ] as const)("mode %s towards %s #%#", (nextHopMode, peerType, path, expected) => {
    expect(announced(path, profileOf(peerType, { nextHopMode })).nextHop).toEqual(via(expected));
  });

  it("of the wrong family keeps a route back instead of breaking the session", () => {
    const context = contextOf("ibgp", { families: ["ipv4-unicast", "ipv6-unicast"] });
    const path = local(attributesOf(), { prefix: prefixOf("fd00::/64") });
    const reason = "no address of the route's family to stand as next hop";
    expect(exported(path, profileOf("ibgp", { context }))).toEqual({ announced: false, reason });
    const selfAddresses = { "ipv6-unicast": addressOf("fd00::100") };
    expect(announced(path, profileOf("ibgp", { context, selfAddresses })).nextHop).toEqual(via("fd00::100"));
  });
});
