import { describe, expect, test } from "vitest";
import { sameDemand, sameRoute, shapeOf } from "../../../src/fib/diff.ts";
import { address, blackhole, desired, device, kernelRoute, prefix, via } from "./samples.ts";

const leg = (gateway: string, interfaceIndex: number, weight = 1) => ({
  gateway: address(gateway),
  interfaceIndex,
  onlink: false,
  weight,
});

describe("what a wish makes of a route", () => {
  test("an IPv4 device route has link scope, an IPv6 one has not", () => {
    const legs = [{ interfaceIndex: 7, onlink: false, weight: 1 }];
    const destination = prefix("10.65.0.2/32");
    expect({ destination, ...shapeOf(desired("10.65.0.2/32", device("cali1")), 4, legs, 202) }).toEqual(
      kernelRoute("10.65.0.2/32", { scope: "link", nextHops: legs }),
    );
    expect(shapeOf(desired("fd00::2/128", device("cali1")), 6, legs, 202).scope).toBe("universe");
  });

  test("an IPv6 route without a metric gets the 1024 that the kernel would give it, an IPv4 route keeps 0", () => {
    expect(shapeOf(desired("fd00::/122", blackhole), 6, [], 202).metric).toBe(1024);
    expect(shapeOf(desired("fd00::/122", blackhole, { metric: 7 }), 6, [], 202).metric).toBe(7);
    expect(shapeOf(desired("10.0.0.0/26", blackhole), 4, [], 202).metric).toBe(0);
  });

  test("two next hops behind one router become one leg", () => {
    const wish = desired("10.65.1.0/26", via("172.18.0.7", "172.18.0.8"));
    expect(shapeOf(wish, 4, [leg("10.0.0.1", 2), leg("10.0.0.1", 2)], 202).nextHops).toEqual([leg("10.0.0.1", 2)]);
  });

  test("legs that coincide beside others carry their joint weight", () => {
    const legs = [leg("10.0.0.2", 2), leg("10.0.0.1", 2), leg("10.0.0.2", 2)];
    expect(shapeOf(desired("10.65.1.0/26", via("10.0.0.9")), 4, legs, 202).nextHops).toEqual([
      leg("10.0.0.1", 2),
      leg("10.0.0.2", 2, 2),
    ]);
  });
});

describe("kernel routes are the same", () => {
  test("whatever the order of their legs", () => {
    const one = kernelRoute("10.65.1.0/26", { nextHops: [leg("10.0.0.1", 2), leg("10.0.0.2", 3, 4)] });
    const other = kernelRoute("10.65.1.0/26", { nextHops: [leg("10.0.0.2", 3, 4), leg("10.0.0.1", 2)] });
    expect(sameRoute(one, other)).toBe(true);
  });

  test("although the kernel reports lo as the device of an IPv6 blackhole", () => {
    const written = kernelRoute("fd00::/122", { type: "blackhole", metric: 1024 });
    const reported = { ...written, nextHops: [{ interfaceIndex: 1, onlink: false, weight: 1 }] };
    expect(sameRoute(written, reported)).toBe(true);
  });

  test("with or without carrier on the link", () => {
    const route = kernelRoute("10.65.1.0/26", { nextHops: [leg("10.0.0.1", 2)] });
    expect(sameRoute(route, { ...route, linkDown: true })).toBe(true);
  });

  const base = kernelRoute("10.65.1.0/26", { nextHops: [leg("10.0.0.1", 2)] });
  test.each([
    ["gateway", { nextHops: [leg("10.0.0.2", 2)] }],
    ["device", { nextHops: [leg("10.0.0.1", 3)] }],
    ["on-link flag", { nextHops: [{ ...leg("10.0.0.1", 2), onlink: true }] }],
    ["number of legs", { nextHops: [leg("10.0.0.1", 2), leg("10.0.0.2", 2)] }],
    ["metric", { metric: 5 }],
    ["protocol", { protocol: 4 }],
    ["type", { type: "blackhole" }],
    ["scope", { scope: "link" }],
    ["MTU", { mtu: 1480 }],
    ["preferred source", { preferredSource: address("10.0.0.5") }],
  ] as const)("not if the %s differs", (_what, fields) => {
    expect(sameRoute(base, { ...base, ...fields })).toBe(false);
  });

  test("not if the weights of several legs differ", () => {
    const one = kernelRoute("10.65.1.0/26", { nextHops: [leg("10.0.0.1", 2), leg("10.0.0.2", 2)] });
    const other = kernelRoute("10.65.1.0/26", { nextHops: [leg("10.0.0.1", 2), leg("10.0.0.2", 2, 9)] });
    expect(sameRoute(one, other)).toBe(false);
  });
});

describe("desired routes demand the same", () => {
  const base = desired("10.65.1.0/26", via("10.0.0.1"));
  test("if only their description differs", () => {
    expect(sameDemand(base, { ...base, kind: "borrowed", node: "b", stale: true, reason: "other" })).toBe(true);
  });

  test.each([
    ["metric", { metric: 1024 }],
    ["MTU", { mtu: 1480 }],
    ["preferred source", { preferredSource: address("10.0.0.5") }],
    ["mode", { forwarding: blackhole }],
    ["gateway", { forwarding: via("10.0.0.2") }],
    ["number of gateways", { forwarding: via("10.0.0.1", "10.0.0.2") }],
    ["device", { forwarding: { mode: "direct", nextHops: [{ gateway: address("10.0.0.1"), device: "eth0" }] } }],
    ["on-link flag", { forwarding: { mode: "direct", nextHops: [{ gateway: address("10.0.0.1"), onlink: true }] } }],
    [
      "state of a route that is not to be written",
      { forwarding: { mode: "none", state: "filtered", intended: "direct" } },
    ],
  ] as const)("not if the %s differs", (_what, fields) => {
    expect(sameDemand(base, { ...base, ...fields })).toBe(false);
  });
});
