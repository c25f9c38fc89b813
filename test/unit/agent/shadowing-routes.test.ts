import { beforeEach, describe, expect, it } from "vitest";
import { ShadowingRoutes } from "../../../src/agent/shadowing-routes.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { KernelRoute } from "../../../src/netlink/types.ts";
import { kernelRoute, prefix } from "../fib/samples.ts";

const pool = { name: "pods", cidr: prefix("10.244.0.0/16") };

describe("routes of other programs inside a pool", () => {
  let held: KernelRoute[];
  let warnings: unknown[];
  let shadowing: ShadowingRoutes;
  beforeEach(() => {
    held = [];
    warnings = [];
    const fib = {
      foreignWithin: (outer: typeof pool.cidr) => held.filter(({ destination }) => outer.contains(destination)),
      foreignAt: (wanted: typeof pool.cidr) => held.filter(({ destination }) => destination.equals(wanted)),
    };
    const logger = { ...silentLogger, warn: (_fields: object, text?: string) => void warnings.push(text) };
    shadowing = new ShadowingRoutes(fib, logger);
  });

  it("are told, with their number and the first of them, and logged once", () => {
    held = [kernelRoute("10.244.7.0/24", { protocol: 2 }), kernelRoute("10.244.9.1/32", { protocol: 4 })];
    held.push(kernelRoute("10.9.0.0/24", { protocol: 4 }));
    shadowing.look([pool]);
    const text =
      "inside IPPool pods (10.244.0.0/16) other programs have 2 routes, which win where they are more specific: first " +
      "10.244.7.0/24, protocol kernel (2)";
    expect(shadowing.problems).toEqual([text]);
    expect(warnings).toEqual([text]);
  });

  it("are no problem any more once they are gone", () => {
    held = [kernelRoute("10.244.7.0/24", { protocol: 2 })];
    shadowing.look([pool]);
    held = [];
    expect(shadowing.problems).toEqual([]);
  });
});
