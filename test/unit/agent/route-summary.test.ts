import { describe, expect, it } from "vitest";
import { routeProblems } from "../../../src/agent/route-summary.ts";
import type { RouteStatus } from "../../../src/fib/types.ts";
import { Prefix } from "../../../src/net/prefix.ts";

const status = (prefix: string, more: Partial<RouteStatus>): RouteStatus => ({
  route: {
    prefix: Prefix.parse(prefix),
    kind: "external",
    forwarding: { mode: "blackhole" },
    metric: 0,
    reason: "learned",
  },
  state: "installed",
  reason: "in the main table",
  sinceMs: 0,
  protocol: 202,
  ...more,
});

const counts = { installed: 9, pending: 0, conflict: 0, stale: 1, unresolved: 0, filtered: 0 };

describe("what other programs do to routes", () => {
  it("is nothing to speak of where they do nothing", () => {
    expect(routeProblems({ counts, contested: [] })).toEqual([]);
  });

  it("is told in one sentence for fights and one for conflicts, with number and first prefix", () => {
    const contested = [status("10.0.1.0/26", { contested: "another program deleted it 6 times" })];
    const reason = "route of protocol static (4) has this key";
    const firstConflict = status("10.0.2.0/26", { state: "conflict", reason });
    expect(routeProblems({ counts: { ...counts, conflict: 2 }, contested, firstConflict })).toEqual([
      "another program fights over 1 route, first 10.0.1.0/26: another program deleted it 6 times",
      "other programs' routes are in the way of 2 routes, first 10.0.2.0/26: route of protocol static (4) has this key",
    ]);
  });
});
