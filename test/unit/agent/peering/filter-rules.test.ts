import { describe, expect, it } from "vitest";
import { filterRules } from "../../../../src/agent/peering/filter-rules.ts";
import { PolicyBook } from "../../../../src/agent/peering/policy-book.ts";
import { applyPolicy } from "../../../../src/bgp/policy/apply.ts";
import type { PolicyRoute } from "../../../../src/bgp/policy/match.ts";
import type { Policy } from "../../../../src/bgp/policy/types.ts";
import type { BgpFilterRule, BgpFilterSpec } from "../../../../src/resources/bgp-filter.ts";
import { acceptPolicy, attributesOf, prefixOf } from "../../../support/bgp.ts";

const normalLocalPref = 2147483647 - 1024;

const route = (prefix: string, others: Partial<PolicyRoute> = {}): PolicyRoute => ({
  prefix: prefixOf(prefix),
  attributes: attributesOf([65001, 65002], { localPref: normalLocalPref, communities: [64512 * 65536 + 100] }),
  source: "peer",
  peerType: "ebgp",
  interface: "eth0",
  ...others,
});

const policyOf = (spec: BgpFilterSpec | undefined, direction: "import" | "export" = "import"): Policy => ({
  ...acceptPolicy,
  rules: filterRules({ name: "f", spec }, direction),
});

/** Whether a rule with these conditions, on import of IPv4, is the one that decides. */
const isHit = (conditions: Partial<BgpFilterRule>, subject: PolicyRoute): boolean =>
  applyPolicy(policyOf({ importV4: [{ action: "Reject", ...conditions }] }), subject).action === "reject";

describe("a rule of a BGPFilter", () => {
  const inTen = { cidr: "10.0.0.0/8", matchOperator: "In" } as const;
  it.each([
    ["nothing", {}, route("10.1.0.0/26"), true],
    ["nothing, of the other family", {}, route("fd00::/64"), false],
    ["In", inTen, route("10.1.0.0/26"), true],
    ["In, the prefix itself", inTen, route("10.0.0.0/8"), true],
    ["In, outside", inTen, route("11.0.0.0/26"), false],
    ["In with lengths", { ...inTen, prefixLength: { min: 24, max: 26 } }, route("10.1.0.0/26"), true],
    ["In, too long", { ...inTen, prefixLength: { max: 25 } }, route("10.1.0.0/26"), false],
    ["In, too short", { ...inTen, prefixLength: { min: 27 } }, route("10.1.0.0/26"), false],
    ["NotIn", { cidr: "10.0.0.0/8", matchOperator: "NotIn" }, route("11.0.0.0/26"), true],
    ["NotIn, inside", { cidr: "10.0.0.0/8", matchOperator: "NotIn" }, route("10.1.0.0/26"), false],
    ["Equal", { cidr: "0.0.0.0/0", matchOperator: "Equal" }, route("0.0.0.0/0"), true],
    ["Equal, another", { cidr: "0.0.0.0/0", matchOperator: "Equal" }, route("10.0.0.0/8"), false],
    ["NotEqual", { cidr: "10.0.0.0/8", matchOperator: "NotEqual" }, route("10.1.0.0/26"), true],
    ["RemotePeers", { source: "RemotePeers" }, route("10.1.0.0/26"), true],
    ["RemotePeers, own", { source: "RemotePeers" }, route("10.1.0.0/26", { source: "local" }), false],
    ["interface", { interface: "eth*" }, route("10.1.0.0/26"), true],
    ["interface, another", { interface: "*.cali" }, route("10.1.0.0/26"), false],
    ["interface, in the middle", { interface: "e*h*0" }, route("10.1.0.0/26"), true],
    ["peerType", { peerType: "eBGP" }, route("10.1.0.0/26"), true],
    ["peerType, the other", { peerType: "iBGP" }, route("10.1.0.0/26"), false],
    ["community", { communities: { values: ["64512:100"] } }, route("10.1.0.0/26"), true],
    ["community, another", { communities: { values: ["64512:101"] } }, route("10.1.0.0/26"), false],
    ["large community, absent", { communities: { values: ["64512:1:100"] } }, route("10.1.0.0/26"), false],
    [
      "large community",
      { communities: { values: ["4200000000:1:100"] } },
      route("10.1.0.0/26", {
        attributes: attributesOf([], { largeCommunities: [{ global: 4200000000, local1: 1, local2: 100 }] }),
      }),
      true,
    ],
    ["asPathPrefix", { asPathPrefix: [65001] }, route("10.1.0.0/26"), true],
    ["asPathPrefix, not at the head", { asPathPrefix: [65002] }, route("10.1.0.0/26"), false],
    ["priority", { priority: 1024 }, route("10.1.0.0/26"), true],
    ["priority, another", { priority: 512 }, route("10.1.0.0/26"), false],
    ["priority, none", { priority: 1024 }, route("10.1.0.0/26", { attributes: attributesOf() }), false],
    ["two conditions, one of which fails", { ...inTen, peerType: "iBGP" }, route("10.1.0.0/26"), false],
  ] as const satisfies (readonly [string, Partial<BgpFilterRule>, PolicyRoute, boolean])[])(
    "matches by %s %j",
    (_, conditions, subject, expected) => {
      expect(isHit(conditions, subject)).toBe(expected);
    },
  );

  it("takes what goes out without LOCAL_PREF for a route of normal priority", () => {
    const spec: BgpFilterSpec = { exportV4: [{ priority: 1024, action: "Reject" }] };
    const subject = route("10.1.0.0/26", { attributes: attributesOf() });
    expect(applyPolicy(policyOf(spec, "export"), subject).action).toBe("reject");
  });

  it("operates in order on what it accepts", () => {
    const spec: BgpFilterSpec = {
      importV4: [
        {
          action: "Accept",
          operations: [
            { addCommunity: { value: "65000:7" } },
            { addCommunity: { value: "65000:8:9" } },
            { prependASPath: { prefix: [65010, 65011] } },
            { setPriority: { value: 512 } },
          ],
        },
      ],
    };
    expect(applyPolicy(policyOf(spec), route("10.1.0.0/26"))).toMatchObject({
      action: "accept",
      rule: "BGPFilter f importV4[0]",
      attributes: {
        asPath: [{ type: "sequence", asNumbers: [65010, 65011, 65001, 65002] }],
        communities: [64512 * 65536 + 100, 65000 * 65536 + 7],
        largeCommunities: [{ global: 65000, local1: 8, local2: 9 }],
        localPref: 2147483647 - 512,
      },
    });
  });
});

describe("the filters of a peer", () => {
  const filters: Record<string, BgpFilterSpec> = {
    first: { importV4: [{ cidr: "10.1.0.0/16", matchOperator: "In", action: "Accept" }] },
    second: {
      importV4: [{ cidr: "10.0.0.0/8", matchOperator: "In", action: "Reject" }],
      exportV6: [{ action: "Reject" }],
    },
  };
  const book = new PolicyBook({ importPolicy: acceptPolicy, exportPolicy: acceptPolicy }, (name) => filters[name]);
  const imported = (names: string[], prefix: string) =>
    applyPolicy(book.policiesFor(names).importPolicy, route(prefix));

  it("are asked in the order in which the peer names them, then what holds without them", () => {
    expect(imported(["first", "second"], "10.1.0.0/26").action).toBe("accept");
    expect(imported(["second", "first"], "10.1.0.0/26")).toEqual({
      action: "reject",
      rule: "BGPFilter second importV4[0]",
    });
    expect(imported(["first", "second"], "11.0.0.0/26")).toMatchObject({ action: "accept", rule: "default" });
  });

  it("let nothing through if one of them does not exist", () => {
    expect(imported(["first", "third"], "10.1.0.0/26").action).toBe("accept");
    expect(imported(["first", "third"], "11.0.0.0/26")).toEqual({
      action: "reject",
      rule: "BGPFilter third does not exist",
    });
  });

  it("make one policy for all sessions that name the same ones", () => {
    expect(book.policiesFor(["first"])).toBe(book.policiesFor(["first"]));
    expect(book.policiesFor([]).importPolicy).toBe(acceptPolicy);
    const { exportPolicy } = book.policiesFor(["second"]);
    expect(applyPolicy(exportPolicy, route("fd00::/64")).action).toBe("reject");
    expect(applyPolicy(exportPolicy, route("10.1.0.0/26")).action).toBe("accept");
  });
});
