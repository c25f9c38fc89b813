import fc from "fast-check";
import { expect, it } from "vitest";
import { filterRules } from "../../src/agent/peering/filter-rules.ts";
import { applyPolicy } from "../../src/bgp/policy/apply.ts";
import { Prefix } from "../../src/net/prefix.ts";
import type { BgpFilterRule } from "../../src/resources/bgp-filter.ts";
import { acceptPolicy, attributesOf } from "../support/bgp.ts";

/** Few enough values that conditions hold about half of the time. */
const cidr = fc
  .tuple(fc.constantFrom(0, 0x40, 0x80, 0xc0), fc.constantFrom(0, 8, 16, 24, 26, 32))
  .map(([octet, length]) =>
    length === 0 ? "0.0.0.0/0" : `10.0.0.${length > 24 ? octet & (length === 26 ? 0xc0 : 0xff) : 0}/${length}`,
  )
  .map((text) => (text.endsWith("/8") ? "10.0.0.0/8" : text));
const prefixPart = fc
  .tuple(
    cidr,
    fc.constantFrom("Equal" as const, "NotEqual" as const, "In" as const, "NotIn" as const),
    fc.option(fc.record({ min: fc.integer({ min: 0, max: 26 }), max: fc.integer({ min: 20, max: 32 }) }), {
      nil: undefined,
    }),
  )
  .map(([text, matchOperator, prefixLength]) => ({
    cidr: text,
    matchOperator,
    ...(prefixLength === undefined ? {} : { prefixLength }),
  }));
const otherPart: fc.Arbitrary<Partial<BgpFilterRule>> = fc.oneof(
  fc.constant({}),
  fc.constant({ source: "RemotePeers" as const }),
  fc.constantFrom("eth*", "*0", "*", "e*h*", "tunl0").map((pattern) => ({ interface: pattern })),
  fc.constantFrom("eBGP" as const, "iBGP" as const).map((peerType) => ({ peerType })),
  fc.constantFrom("1:1", "1:2").map((text) => ({ communities: { values: [text] } })),
  fc.array(fc.integer({ min: 1, max: 2 }), { minLength: 1, maxLength: 3 }).map((asPathPrefix) => ({ asPathPrefix })),
  fc.constantFrom(1024, 512).map((priority) => ({ priority })),
);
const otherParts = fc.tuple(otherPart, otherPart).map(([one, other]) => ({ ...one, ...other }));
const rule = fc
  .tuple(fc.option(prefixPart, { nil: {} }), otherParts, fc.constantFrom("Accept" as const, "Reject" as const))
  .map(([prefix, others, action]): BgpFilterRule => ({ ...prefix, ...others, action }));

const subject = fc.record({
  prefix: cidr,
  source: fc.constantFrom("peer" as const, "local" as const),
  peerType: fc.constantFrom("ibgp" as const, "ebgp" as const),
  interface: fc.constantFrom(undefined, "eth0", "eth1", "tunl0"),
  communities: fc.subarray([0x10001, 0x10002]),
  asPath: fc.array(fc.integer({ min: 1, max: 2 }), { maxLength: 3 }),
  priority: fc.constantFrom(1024, 512),
});
type Subject = typeof subject extends fc.Arbitrary<infer Value> ? Value : never;

/** The resource's own words, on bit strings and regular expressions. */
function holds(condition: BgpFilterRule, route: Subject): boolean {
  const bits = (text: string) => {
    const [address = "", length] = text.split("/");
    const all = address.split(".").map((part) => Number(part).toString(2).padStart(8, "0"));
    return all.join("").slice(0, Number(length));
  };
  if (condition.cidr !== undefined) {
    const [wanted, own] = [bits(condition.cidr), bits(route.prefix)];
    const { min = 0, max = 32 } = condition.prefixLength ?? {};
    const isIn = own.startsWith(wanted) && own.length >= Math.max(min, wanted.length) && own.length <= max;
    const answers = { Equal: own === wanted, NotEqual: own !== wanted, In: isIn, NotIn: !isIn };
    if (condition.matchOperator !== undefined && !answers[condition.matchOperator]) return false;
  }
  const glob = condition.interface?.replaceAll("*", ".*");
  return (
    (condition.source === undefined || route.source === "peer") &&
    (glob === undefined || new RegExp(`^${glob}$`).test(route.interface ?? "")) &&
    (condition.peerType === undefined || condition.peerType.toLowerCase() === route.peerType) &&
    (condition.communities?.values ?? []).every((text) =>
      route.communities.some((community) => `${community >>> 16}:${community & 0xffff}` === text),
    ) &&
    route.asPath
      .join(",")
      .concat(",")
      .startsWith((condition.asPathPrefix ?? []).map((as) => `${as},`).join("")) &&
    (condition.priority === undefined || condition.priority === route.priority)
  );
}

it("a compiled BGPFilter decides as the resource reads, for random filters and routes", () => {
  const seen = { accept: 0, reject: 0, default: 0 };
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 4 }), subject, (rules, route) => {
      const policy = { ...acceptPolicy, rules: filterRules({ name: "f", spec: { importV4: rules } }, "import") };
      const result = applyPolicy(policy, {
        prefix: Prefix.parse(route.prefix),
        source: route.source,
        peerType: route.peerType,
        interface: route.interface,
        attributes: attributesOf(route.asPath, {
          communities: route.communities,
          localPref: 2147483647 - route.priority,
        }),
      });
      const index = rules.findIndex((candidate) => holds(candidate, route));
      expect(result.rule).toBe(index < 0 ? "default" : `BGPFilter f importV4[${index}]`);
      expect(result.action).toBe(rules[index]?.action === "Reject" ? "reject" : "accept");
      seen[index < 0 ? "default" : result.action]++;
    }),
    { numRuns: 2000 },
  );
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(100);
});
