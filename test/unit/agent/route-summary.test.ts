import { describe, expect, it } from "vitest";
import { summarizeRoutes } from "../../../src/agent/route-summary.ts";
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

describe("summarizeRoutes", () => {
  it("counts states and has no problems where there are none", () => {
    const { counts, problems } = summarizeRoutes([
      status("10.0.0.0/26", {}),
      status("10.0.1.0/26", { state: "stale" }),
    ]);
    expect(counts).toEqual({ installed: 1, pending: 0, conflict: 0, stale: 1, unresolved: 0, filtered: 0 });
    expect(problems).toEqual([]);
  });

  it("tells of fights and conflicts in one sentence each, with number and first prefix", () => {
    const { problems } = summarizeRoutes([
      status("10.0.0.0/26", {}),
      status("10.0.1.0/26", { contested: "another program deleted it 6 times" }),
      status("10.0.2.0/26", { state: "conflict", reason: "route of protocol static (4) has this key" }),
      status("10.0.3.0/26", { state: "conflict", reason: "another reason" }),
    ]);
    expect(problems).toEqual([
      "another program fights over 1 route, first 10.0.1.0/26: another program deleted it 6 times",
      "other programs' routes are in the way of 2 routes, first 10.0.2.0/26: route of protocol static (4) has this key",
    ]);
  });
});
