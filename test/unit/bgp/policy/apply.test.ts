import { describe, expect, it } from "vitest";
import { applyPolicy, PolicyRunner, policiesEqual } from "../../../../src/bgp/policy/apply.ts";
import type { PolicyRoute } from "../../../../src/bgp/policy/match.ts";
import type { Policy, PolicyMatch, PolicyOperation } from "../../../../src/bgp/policy/types.ts";
import { AttributeStore } from "../../../../src/bgp/rib/attribute-store.ts";
import { attributesOf, prefixOf } from "../../../support/bgp.ts";

const route = (others: Partial<PolicyRoute> = {}): PolicyRoute => ({
  prefix: prefixOf("10.1.2.0/26"),
  attributes: attributesOf([65001, 65002], { communities: [100, 200], localPref: 150 }),
  source: "peer",
  peerType: "ibgp",
  ...others,
});

const rejecting = (match: PolicyMatch): Policy => ({
  name: "test",
  rules: [{ name: "the rule", match, action: "reject" }],
  defaultAction: "accept",
});

const operating = (...operations: PolicyOperation[]): Policy => ({
  name: "test",
  rules: [{ name: "the rule", match: {}, action: "accept", operations }],
  defaultAction: "reject",
});

const matches = (match: PolicyMatch, subject: PolicyRoute = route()): boolean =>
  applyPolicy(rejecting(match), subject).action === "reject";

const operated = (...operations: PolicyOperation[]) => {
  const result = applyPolicy(operating(...operations), route());
  return result.action === "accept" ? result.attributes : undefined;
};

describe("policy conditions", () => {
  it("an empty match holds for every route", () => {
    expect(matches({})).toBe(true);
  });

  const pool = prefixOf("10.1.0.0/16");
  it.each([
    ["equal", prefixOf("10.1.2.0/26"), {}, true],
    ["equal", pool, {}, false],
    ["not-equal", pool, {}, true],
    ["not-equal", prefixOf("10.1.2.0/26"), {}, false],
    ["in", pool, {}, true],
    ["in", prefixOf("10.1.2.0/26"), {}, true],
    ["in", prefixOf("10.1.2.0/27"), {}, false],
    ["in", pool, { minLength: 26 }, true],
    ["in", pool, { minLength: 27 }, false],
    ["in", pool, { maxLength: 25 }, false],
    ["not-in", pool, {}, false],
    ["not-in", pool, { maxLength: 25 }, true],
    ["not-in", prefixOf("10.2.0.0/16"), {}, true],
    ["in", prefixOf("fd00::/8"), {}, false],
    ["not-in", prefixOf("fd00::/8"), {}, false],
    ["not-equal", prefixOf("fd00::/8"), {}, false],
  ] as const)("10.1.2.0/26 %s %s with limits %o: %s", (operator, prefix, limits, expected) => {
    expect(matches({ prefixes: [{ prefix, operator, ...limits }] })).toBe(expected);
  });

  it("any of several prefixes is enough, and no prefix at all never is", () => {
    const elsewhere = { prefix: prefixOf("10.9.0.0/16"), operator: "in" } as const;
    expect(matches({ prefixes: [elsewhere, { prefix: pool, operator: "in" }] })).toBe(true);
    expect(matches({ prefixes: [elsewhere] })).toBe(false);
    expect(matches({ prefixes: [] })).toBe(false);
  });

  it("source and kind of session must be the ones asked for", () => {
    expect(matches({ source: "local" })).toBe(false);
    expect(matches({ source: "local" }, route({ source: "local" }))).toBe(true);
    expect(matches({ peerType: "ebgp" })).toBe(false);
    expect(matches({ peerType: "ibgp" })).toBe(true);
  });

  it("all communities of the match must be on the route", () => {
    expect(matches({ communities: [200, 100] })).toBe(true);
    expect(matches({ communities: [100, 300] })).toBe(false);
    const large = { global: 1, local1: 2, local2: 3 };
    expect(matches({ largeCommunities: [large] })).toBe(false);
    expect(
      matches({ largeCommunities: [large] }, route({ attributes: attributesOf([], { largeCommunities: [large] }) })),
    ).toBe(true);
  });

  it("an AS_PATH prefix is compared with the sequence only", () => {
    expect(matches({ asPathPrefix: [65001] })).toBe(true);
    expect(matches({ asPathPrefix: [65001, 65002] })).toBe(true);
    expect(matches({ asPathPrefix: [65002] })).toBe(false);
    expect(matches({ asPathPrefix: [65001, 65002, 65003] })).toBe(false);
    const set = attributesOf([], { asPath: [{ type: "set", asNumbers: [65001] }] });
    expect(matches({ asPathPrefix: [65001] }, route({ attributes: set }))).toBe(false);
  });

  it("LOCAL_PREF limits include their ends, and a route without one is outside all limits", () => {
    expect(matches({ localPref: { atLeast: 150, atMost: 150 } })).toBe(true);
    expect(matches({ localPref: { atLeast: 151 } })).toBe(false);
    expect(matches({ localPref: { atMost: 149 } })).toBe(false);
    expect(matches({ localPref: { atMost: 149 } }, route({ attributes: attributesOf() }))).toBe(false);
  });
});

describe("policy rules", () => {
  it("the first rule that matches decides and is named", () => {
    const policy: Policy = {
      name: "test",
      rules: [
        { name: "local only", match: { source: "local" }, action: "accept" },
        {
          name: "no pool",
          match: { prefixes: [{ prefix: prefixOf("10.0.0.0/8"), operator: "in" }] },
          action: "reject",
        },
        { name: "rest", match: {}, action: "accept" },
      ],
      defaultAction: "reject",
    };
    expect(applyPolicy(policy, route())).toEqual({ action: "reject", rule: "no pool" });
    expect(applyPolicy(policy, route({ source: "local" }))).toMatchObject({ action: "accept", rule: "local only" });
    expect(applyPolicy(policy, route({ prefix: prefixOf("11.0.0.0/8") }))).toMatchObject({ rule: "rest" });
  });

  it("the default action decides where no rule matches", () => {
    const subject = route();
    const result = applyPolicy({ name: "test", rules: [], defaultAction: "accept" }, subject);
    expect(result).toEqual({ action: "accept", rule: "default", attributes: subject.attributes });
    expect(applyPolicy({ name: "test", rules: [], defaultAction: "reject" }, subject).action).toBe("reject");
  });

  it("operations apply in order and leave the route's own attributes alone", () => {
    const before = structuredClone(route().attributes);
    const subject = route();
    applyPolicy(operating({ type: "set-local-pref", value: 1 }, { type: "prepend-as-path", asNumbers: [1] }), subject);
    expect(subject.attributes).toEqual(before);
    expect(operated({ type: "set-local-pref", value: 1 }, { type: "set-local-pref", value: 2 })?.localPref).toBe(2);
    expect(operated({ type: "set-med", value: 7 })?.med).toBe(7);
    expect(operated({ type: "set-med", value: 7 }, { type: "set-med", value: undefined })).not.toHaveProperty("med");
    expect(operated({ type: "add-communities", communities: [300, 100, 300] })?.communities).toEqual([100, 200, 300]);
    const large = { global: 1, local1: 2, local2: 3 };
    expect(operated({ type: "add-large-communities", communities: [large, { ...large }] })?.largeCommunities).toEqual([
      large,
    ]);
    expect(operated({ type: "prepend-as-path", asNumbers: [1, 2] })?.asPath).toEqual([
      { type: "sequence", asNumbers: [1, 2, 65001, 65002] },
    ]);
  });

  it("operations that change nothing give back the same object", () => {
    const subject = route();
    const policy = operating(
      { type: "set-local-pref", value: 150 },
      { type: "set-med", value: undefined },
      { type: "add-communities", communities: [100] },
      { type: "prepend-as-path", asNumbers: [] },
    );
    const result = applyPolicy(policy, subject);
    expect(result.action === "accept" && result.attributes).toBe(subject.attributes);
  });

  it("a runner gives routes of the same attributes one shared result, equal to the plain one", () => {
    const store = new AttributeStore();
    const policy = operating({ type: "set-med", value: 5 });
    const runner = new PolicyRunner(policy, (attributes) => store.intern(attributes));
    const attributes = store.intern(attributesOf([65001]));
    const one = runner.apply(route({ attributes }));
    const other = runner.apply(route({ attributes, prefix: prefixOf("10.7.0.0/16") }));
    expect(one).toEqual(applyPolicy(policy, route({ attributes })));
    expect(one.action === "accept" && other.action === "accept" && one.attributes === other.attributes).toBe(true);
    expect(one.action === "accept" && one.attributes).toBe(store.intern(attributesOf([65001], { med: 5 })));
  });

  it("policies are equal if they read the same", () => {
    expect(policiesEqual(rejecting({ communities: [1] }), rejecting({ communities: [1] }))).toBe(true);
    expect(policiesEqual(rejecting({ communities: [1] }), rejecting({ communities: [2] }))).toBe(false);
  });
});
