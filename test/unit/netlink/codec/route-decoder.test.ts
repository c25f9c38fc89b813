import { describe, expect, test } from "vitest";
import { IpAddress } from "../../../../src/net/address.ts";
import { decodeRoute } from "../../../../src/netlink/codec/route-decoder.ts";
import { NetlinkError } from "../../../../src/netlink/errors.ts";
import * as captured from "./captured.ts";
import { messageOf, nextHop, routeTo } from "./samples.ts";

const decoded = (hex: string) => decodeRoute(messageOf(hex).payload);

describe("decodeRoute", () => {
  test.each([
    [
      "a gateway and a metric",
      captured.routeVia,
      routeTo("10.65.1.0/26", {
        protocol: 12,
        metric: 1024,
        nextHops: [nextHop("10.0.0.6", { interfaceIndex: 4 })],
      }),
    ],
    [
      "onlink, MTU and preferred source",
      captured.routeOnlink,
      routeTo("10.65.2.0/26", {
        mtu: 1480,
        preferredSource: IpAddress.parse("10.0.0.1"),
        nextHops: [nextHop("172.17.0.6", { interfaceIndex: 4, onlink: true })],
      }),
    ],
    ["a blackhole", captured.routeBlackhole, routeTo("10.65.0.0/26", { type: "blackhole" })],
    [
      "several next hops with weights and flags of their own",
      captured.routeMultipath,
      routeTo("10.65.3.0/26", {
        nextHops: [
          nextHop("10.0.0.7", { interfaceIndex: 4 }),
          nextHop("172.17.0.9", { interfaceIndex: 4, weight: 5, onlink: true }),
        ],
      }),
    ],
    [
      "an IPv6 gateway of an IPv4 route",
      captured.routeViaInet6,
      routeTo("10.65.5.0/26", { nextHops: [nextHop("fd00::9", { interfaceIndex: 4 })] }),
    ],
    [
      "a device only",
      captured.routeDevice,
      routeTo("10.65.0.2/32", { protocol: 3, scope: "link", nextHops: [nextHop(undefined, { interfaceIndex: 2 })] }),
    ],
    [
      "a table above 255 and a type of service",
      captured.routeLargeTable,
      routeTo("10.65.4.0/26", {
        protocol: 4,
        table: 1000,
        tos: 0x10,
        nextHops: [nextHop("10.0.0.6", { interfaceIndex: 4 })],
      }),
    ],
    [
      "an IPv6 gateway",
      captured.route6Via,
      routeTo("fd00:65:1::/122", { metric: 1024, nextHops: [nextHop("fd00::6", { interfaceIndex: 4 })] }),
    ],
    [
      "several IPv6 next hops",
      captured.route6Multipath,
      routeTo("fd00:65:2::/122", {
        metric: 1024,
        nextHops: [nextHop("fd00::7", { interfaceIndex: 4, weight: 2 }), nextHop("fd00::8", { interfaceIndex: 4 })],
      }),
    ],
    [
      "an IPv6 blackhole without its nominal device",
      captured.route6Blackhole,
      routeTo("fd00:65:3::/122", { type: "blackhole", metric: 1024 }),
    ],
  ])("reads %s", (_what, hex, route) => {
    expect(decoded(hex)).toEqual(route);
  });

  /** The flags of struct rtmsg, at the octets 24 to 27 of the message. */
  const withFlags = (hex: string, flags: string): string => `${hex.slice(0, 48)}${flags}${hex.slice(56)}`;

  test("says that a route's only next hop is down", () => {
    expect(decoded(withFlags(captured.routeVia, "11000000"))?.linkDown).toBe(true);
    expect(decoded(withFlags(captured.routeVia, "10000000"))?.linkDown).toBe(true);
    expect(decoded(captured.routeVia)).not.toHaveProperty("linkDown");
  });

  test("says that a multipath route is down only if all of its next hops are", () => {
    const oneDown = captured.routeMultipath.replace("1000000004000000", "1000110004000000");
    expect(decoded(oneDown)).not.toHaveProperty("linkDown");
    expect(decoded(oneDown.replace("1000040404000000", "1000140404000000"))?.linkDown).toBe(true);
  });

  test("passes over what the kernel derived for one destination, unless that is what was asked for", () => {
    const cloned = withFlags(captured.routeVia, "00020000");
    expect(decoded(cloned)).toBeUndefined();
    expect(decodeRoute(messageOf(cloned).payload, true)).toEqual(decoded(captured.routeVia));
  });

  test("passes over other families", () => {
    expect(decoded(`${captured.routeVia.slice(0, 32)}1c${captured.routeVia.slice(34)}`)).toBeUndefined();
  });

  test("refuses a destination of the wrong length with a typed error", () => {
    const tooLong = `${captured.routeVia.slice(0, 34)}21${captured.routeVia.slice(36)}`;
    expect(() => decoded(tooLong)).toThrow(NetlinkError);
    expect(() => decoded(tooLong)).toThrow("a route to 10.65.1.0/33");
  });
});
