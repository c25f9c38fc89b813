import { describe, expect, it } from "vitest";
import { advertisedView, findPeer, parseSelection, receivedView } from "../../../../src/agent/api/peer-routes-view.ts";
import type { PeerStatus } from "../../../../src/bgp/types.ts";
import { attributesOf, pathOf, peerConfigOf, peerSource, prefixOf, via } from "../../../support/bgp.ts";

const path = pathOf(peerSource(1), attributesOf([65001]), {
  prefix: prefixOf("10.1.0.0/26"),
  pathId: 7,
  nextHop: via("10.0.0.9"),
});

describe("a route of a peer, for people", () => {
  it("says in which state it is, and why it is not the best", () => {
    const plain = { path, best: false, multipath: false };
    const stateOf = (others: object) => receivedView({ ...plain, ...others }).state;
    expect(stateOf({ best: true, multipath: true })).toBe("best");
    expect(stateOf({ multipath: true, lostBy: "higher router id", rule: "router-id" })).toBe("equal");
    expect(stateOf({ lostBy: "higher MED", rule: "med" })).toBe("other");
    expect(stateOf({ lostBy: "policy import rule x rejected" })).toBe("refused");
    expect(receivedView({ ...plain, lostBy: "higher MED", rule: "med" })).toMatchObject({
      prefix: "10.1.0.0/26",
      pathId: 7,
      nextHop: "10.0.0.9",
      reason: "higher MED",
      rule: "med",
      bgp: { asPath: "65001" },
    });
  });

  it("has no identifier without ADD-PATH", () => {
    expect(advertisedView({ ...path, pathId: 0 })).toMatchObject({ pathId: null, state: "told", reason: null });
  });
});

describe("the question for them", () => {
  const parse = (query: string) => parseSelection(new URLSearchParams(query));

  it("may name a prefix or an address, and how many at most", () => {
    expect(parse("")).toEqual({ limit: 1000 });
    expect(parse("prefix=10.1.0.1&limit=5")).toEqual({ limit: 5, overlapping: prefixOf("10.1.0.1/32") });
  });

  it.each(["limit=0", "limit=many", "limit=1000000", "prefix=pods"])("is refused with %s", (query) => {
    expect(() => parse(query)).toThrow(/^(limit|prefix): ".*"/);
  });

  it("finds a peer by name or address, and says if there is none", () => {
    const config = peerConfigOf({ name: "tor", address: "fd00::1", port: 179 });
    const peers = [{ config }] as PeerStatus[];
    expect(findPeer(peers, "tor").config).toBe(config);
    expect(findPeer(peers, "fd00:0::1").config).toBe(config);
    expect(() => findPeer(peers, "10.0.0.1")).toThrow('there is no BGP peer "10.0.0.1"');
  });
});
