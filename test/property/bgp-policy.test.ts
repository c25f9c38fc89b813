import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy, commonVerdict } from "../../src/bgp/policy/apply.ts";
import type { PolicyRoute } from "../../src/bgp/policy/match.ts";
import type { Policy, PolicyRule } from "../../src/bgp/policy/types.ts";
import { attributesOf, prefixOf } from "../support/bgp.ts";

const few = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "fd00::/64"].map(prefixOf);
const perhaps = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const conditions = fc.record({
  family: perhaps(fc.constantFrom(4 as const, 6 as const)),
  source: perhaps(fc.constantFrom("local" as const, "peer" as const)),
  peerType: perhaps(fc.constantFrom("ibgp" as const, "ebgp" as const)),
  prefixes: perhaps(
    fc.array(
      fc.record({
        prefix: fc.constantFrom(...few),
        operator: fc.constantFrom("equal" as const, "not-equal" as const, "in" as const, "not-in" as const),
      }),
      { minLength: 1, maxLength: 2 },
    ),
  ),
  communities: fc.option(fc.constant([7]), { nil: undefined, freq: 1 }),
  interface: fc.option(fc.constant("eth*"), { nil: undefined, freq: 1 }),
});

function withoutUndefined<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Value;
}

const rule = fc
  .record({
    operations: fc.constantFrom<PolicyRule["operations"]>([], [], [{ type: "set-med", value: 7 }]),
    match: conditions,
    action: fc.constantFrom("accept" as const, "reject" as const, "continue" as const),
  })
  .map(
    ({ match, action, operations = [] }): Omit<PolicyRule, "name"> => ({
      ...(operations.length > 0 && { operations }),
      match: withoutUndefined(match) as PolicyRule["match"],
      action,
    }),
  );
const policy = fc
  .record({
    rules: fc.array(rule, { maxLength: 5 }),
    defaultAction: fc.constantFrom("accept" as const, "reject" as const),
  })
  .map(
    ({ rules, defaultAction }): Policy => ({
      name: "any",
      rules: rules.map((one, index) => ({ ...one, name: `rule ${index}` })),
      defaultAction,
    }),
  );
const destination = fc.record({
  prefix: fc.constantFrom(...few),
  source: fc.constantFrom("local" as const, "peer" as const),
  peerType: fc.constantFrom("ibgp" as const, "ebgp" as const),
});

describe("what a policy says of a prefix before anything is known of its route", () => {
  it("is what it does with every route of that prefix", () => {
    const found = { accept: 0, reject: 0 };
    fc.assert(
      fc.property(policy, destination, (wanted, route) => {
        const verdict = commonVerdict(wanted, route);
        if (verdict === undefined) return;
        found[verdict.action]++;
        for (const communities of [[], [7]])
          for (const device of ["eth0", "lo", undefined]) {
            const attributes = attributesOf([], { communities });
            const whole: PolicyRoute = { ...route, attributes, interface: device };
            const answer = applyPolicy(wanted, whole);
            expect(answer).toMatchObject(verdict);
            if (answer.action === "accept") expect(answer.attributes).toBe(attributes);
          }
      }),
      { numRuns: 500 },
    );
    expect(found.accept).toBeGreaterThan(30);
    expect(found.reject).toBeGreaterThan(30);
  });
});
