import { describe, expect, it } from "vitest";
import type { PathAttributes } from "../../../../src/bgp/packet/attributes.ts";
import { PolicyRunner } from "../../../../src/bgp/policy/apply.ts";
import { createImportRules, type ImportContext } from "../../../../src/bgp/rib/import-rules.ts";
import { acceptPolicy, addressOf, attributesOf, prefixOf, via } from "../../../support/bgp.ts";

function imported(attributes: PathAttributes, context: Partial<ImportContext> = {}, nextHop = via("10.0.0.1")) {
  const rules = createImportRules({
    peerType: "ibgp",
    localAs: 64512,
    allowLocalAs: 0,
    routerId: 0x01010101,
    clusterId: 0x02020202,
    isOwnAddress: (address) => address.equals(addressOf("10.0.0.100")),
    policy: new PolicyRunner(acceptPolicy, (unchanged) => unchanged),
    treatment: {},
    intern: (unchanged) => unchanged,
    ...context,
  });
  const verdict = rules(prefixOf("10.1.0.0/26"), attributes, nextHop, undefined);
  return verdict.accepted ? "accepted" : verdict.reason;
}

describe("import", () => {
  it("refuses our own AS in AS_PATH more often than allowed", () => {
    const loop = attributesOf([65001, 64512, 64512]);
    expect(imported(loop)).toBe("AS_PATH loop: own AS 64512 stands in it 2 times, 0 allowed");
    expect(imported(loop, { allowLocalAs: 1, peerType: "ebgp" })).toMatch("AS_PATH loop");
    expect(imported(loop, { allowLocalAs: 2, peerType: "ebgp" })).toBe("accepted");
  });

  it("refuses what we originated or reflected ourselves, on iBGP sessions", () => {
    expect(imported(attributesOf([], { originatorId: 0x01010101 }))).toBe(
      "reflection loop: ORIGINATOR_ID is our own router id 1.1.1.1",
    );
    expect(imported(attributesOf([], { clusterList: [5, 0x02020202] }))).toBe(
      "reflection loop: CLUSTER_LIST holds our own cluster id 2.2.2.2",
    );
    expect(imported(attributesOf([], { clusterList: [5], originatorId: 6 }))).toBe("accepted");
  });

  it("refuses our own address as next hop", () => {
    expect(imported(attributesOf(), {}, via("10.0.0.100"))).toBe("next hop 10.0.0.100 is our own address");
  });

  it("names the policy and the rule that refused", () => {
    const policy = new PolicyRunner({ name: "from-tor", rules: [], defaultAction: "reject" }, (unchanged) => unchanged);
    expect(imported(attributesOf(), { policy })).toBe("policy from-tor rule default rejected");
  });
});
