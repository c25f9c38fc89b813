import { expect, it } from "vitest";
import { decisionOptions, parseMaxPrefix, peerDefaults } from "../../../../src/agent/config/bgp-settings.ts";
import { defaultDecisionOptions } from "../../../../src/bgp/rib/decision-steps.ts";

it.each([
  ["standard", {}],
  ["multipath=4", { multipathEbgp: 4, multipathIbgp: 4 }],
  ["multipath-relaxed, multipath=4,multipath-ibgp=1", { multipathRelaxed: true, multipathEbgp: 4, multipathIbgp: 1 }],
  ["as-path-ignore,always-compare-med", { asPathIgnore: true, alwaysCompareMed: true }],
  ["missing-med-worst,ignore-router-id", { missingMedIsWorst: true, compareRouterId: false }],
])("reads %s", (text, changes) => {
  expect(decisionOptions(text)).toEqual({ ...defaultDecisionOptions, ...changes });
});

it.each([
  ["10000", { limit: 10000, action: "restart" }],
  ["500:discard", { limit: 500, action: "discard" }],
  ["500:restart:300", { limit: 500, action: "restart", idleSec: 300 }],
])("reads the limit %s", (text, limit) => {
  expect(parseMaxPrefix(text)).toEqual(limit);
});

it("asks nothing of sessions by default", () => {
  expect(peerDefaults({ bgpMaxPrefix: undefined, bgpBlackhole: false })).toEqual({});
  const limit = parseMaxPrefix("10:warn");
  expect(peerDefaults({ bgpMaxPrefix: limit, bgpBlackhole: true })).toEqual({
    maxPrefix: { "ipv4-unicast": limit, "ipv6-unicast": limit },
    treatment: { honourBlackhole: true },
  });
});

it.each(["", "0", "many", "10:ignore", "10:discard:5", "10:restart:0", "10:restart:x"])(
  "refuses the limit %j",
  (text) => {
    expect(() => parseMaxPrefix(text)).toThrow("must be a number of routes and what to do with more: 10000:warn");
  },
);

it.each(["", "multipath", "multipath=0", "multipath=65", "multipath=4x", "med", "toString", "as-path-ignore=1"])(
  "says what would be right in place of %j",
  (text) => {
    expect(() => decisionOptions(text)).toThrow("must be a list such as multipath=4,multipath-relaxed of standard, ");
  },
);
