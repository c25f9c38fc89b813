import { describe, expect, it } from "vitest";
import { routeView } from "../../../../src/agent/api/route-view.ts";
import { type ExplainSources, explainTarget } from "../../../../src/agent/explain/explain.ts";
import type { RouteStatus } from "../../../../src/fib/types.ts";
import { Prefix } from "../../../../src/net/prefix.ts";

const block = Prefix.parse("10.244.1.0/26");
const cidr = Prefix.parse("10.244.0.0/16");
const blackhole = (state: RouteStatus["state"]): RouteStatus => ({
  route: { prefix: block, kind: "local-block", forwarding: { mode: "blackhole" }, metric: 0, reason: "own block" },
  state,
  reason: "in the main table",
  sinceMs: 0,
  protocol: 202,
});

const explain = (target: string, status: RouteStatus) => {
  const sources: ExplainSources = {
    nodeName: "n1",
    poolOf: () => ({
      name: "pods",
      cidr,
      ipipMode: "Never",
      vxlanMode: "Never",
      udpMode: "Never",
      disableBgpExport: false,
    }),
    blockOf: () => ({ block, node: "n1", state: "confirmed" }),
    workloadOf: () => undefined,
    routeFor: () => status,
    candidates: () => [],
    peerRouteTo: () => undefined,
    noteOn: () => undefined,
    peers: () => [],
    addressOfNode: () => undefined,
    viewOf: (one) => routeView(one, undefined),
  };
  return explainTarget(target, sources);
};

describe("the explanation of a block of this node", () => {
  it("finds nothing wrong with it: the block is where it belongs", () => {
    const { reachable, verdict, steps } = explain(`${block}`, blackhole("installed"));
    expect(verdict).toBe(
      "10.244.1.0/26 is a block of this node; its pods have routes of their own, the rest is dropped here.",
    );
    expect(reachable).toBe(true);
    expect(steps.map(({ verdict: each }) => each)).not.toContain("problem");
  });

  it("says that an address in it that no pod has is not reached", () => {
    const { reachable, verdict } = explain("10.244.1.9", blackhole("installed"));
    expect({ reachable, verdict }).toEqual({
      reachable: false,
      verdict: "10.244.1.9 is in a block of this node, but no pod has it: packets to it are dropped here.",
    });
  });

  it("says what is the matter if the kernel has not got its route", () => {
    expect(explain(`${block}`, blackhole("pending")).reachable).toBe(false);
  });
});
