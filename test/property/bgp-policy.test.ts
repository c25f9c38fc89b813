import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyPolicy, rejectingRule } from "../../src/bgp/policy/apply.ts";
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
  .record({ match: conditions, action: fc.constantFrom("accept" as const, "reject" as const, "continue" as const) })
  .map(
    ({ match, action }): Omit<PolicyRule, "name"> => ({
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
  it("is what it says of every route of that prefix, by the same rule", () => {
    let rejected = 0;
    fc.assert(
      fc.property(policy, destination, (wanted, route) => {
        const refusal = rejectingRule(wanted, route);
        const answers = [[], [7]].flatMap((communities) =>
          ["eth0", "lo", undefined].map((device) => {
            const whole: PolicyRoute = { ...route, attributes: attributesOf([], { communities }), interface: device };
            return applyPolicy(wanted, whole);
          }),
        );
        if (refusal === undefined) return;
        rejected++;
        for (const answer of answers) expect(answer).toEqual({ action: "reject", rule: refusal });
      }),
      { numRuns: 500 },
    );
    expect(rejected).toBeGreaterThan(30);
  });
});
