import { describe, expect, it } from "vitest";
import { findDifferences, routeText } from "../../../src/fib/difference.ts";
import type { Wanted } from "../../../src/fib/plan.ts";
import type { KernelRoute } from "../../../src/netlink/types.ts";
import { address, kernelRoute, prefix } from "./samples.ts";

const ownership = { protocol: 202, takeover: [] };
const nameOf = (index: number) => (index === 2 ? "eth0" : undefined);
const leg = (gateway: string, interfaceIndex = 2) => ({
  gateway: address(gateway),
  interfaceIndex,
  onlink: false,
  weight: 1,
});
const block = kernelRoute("10.65.1.0/26", { metric: 1024, nextHops: [leg("10.0.0.2")] });
const wants = (route: KernelRoute): [typeof route.destination, Wanted] => [route.destination, { kind: "route", route }];

const lines = (wanted: Iterable<readonly [KernelRoute["destination"], Wanted]>, ...routes: KernelRoute[]) =>
  findDifferences(wanted, routes, ownership).flatMap(({ missing, instead }) => [
    ...instead.map((route) => `- ${routeText(route, nameOf)}`),
    ...(missing === undefined ? [] : [`+ ${routeText(missing, nameOf)}`]),
  ]);

describe("what the kernel has otherwise than it shall", () => {
  it("is nothing if all that is wanted is there, whatever others have", () => {
    const other = kernelRoute("10.65.1.0/26", { protocol: 4, metric: 5, nextHops: [leg("10.0.0.9")] });
    expect(lines([wants(block)], block, other, kernelRoute("0.0.0.0/0", { protocol: 3 }))).toEqual([]);
  });

  it("is a route that is missing, with what has its place", () => {
    expect(lines([wants(block)])).toEqual([
      "+ 10.65.1.0/26 via 10.0.0.2 dev eth0 metric 1024, protocol calibird (202)",
    ]);
    const other = { ...block, protocol: 4, nextHops: [leg("10.0.0.9", 7)] };
    expect(lines([wants(block)], other)).toEqual([
      "- 10.65.1.0/26 via 10.0.0.9 dev interface 7 metric 1024, protocol static (4)",
      "+ 10.65.1.0/26 via 10.0.0.2 dev eth0 metric 1024, protocol calibird (202)",
    ]);
  });

  it("is a route of ours that is not wanted: besides another one, in place of none, and where nothing is known", () => {
    const stale = { ...block, metric: 0 };
    const unknown = kernelRoute("10.64.0.0/26", { type: "blackhole" });
    const unresolved = kernelRoute("10.66.0.0/26", { mtu: 1480, nextHops: [{ ...leg("10.0.0.3"), onlink: true }] });
    const nothing: Wanted = { kind: "nothing", state: "unresolved", reason: "no way" };
    expect(lines([wants(block), [unresolved.destination, nothing]], block, stale, unresolved, unknown)).toEqual([
      "- blackhole 10.64.0.0/26, protocol calibird (202)",
      "- 10.65.1.0/26 via 10.0.0.2 dev eth0, protocol calibird (202)",
      "- 10.66.0.0/26 via 10.0.0.3 dev eth0 onlink mtu 1480, protocol calibird (202)",
    ]);
  });

  it("is not what is kept from before a restart", () => {
    expect(lines([[prefix("10.65.1.0/26"), { kind: "adopted" }]], block)).toEqual([]);
  });
});
