import { describe, expect, test } from "vitest";
import { IpAddress } from "../../../../src/net/address.ts";
import { decodeAddress } from "../../../../src/netlink/codec/address.ts";
import { decodeEvent } from "../../../../src/netlink/codec/event.ts";
import { decodeLink } from "../../../../src/netlink/codec/link-decoder.ts";
import { decodeAnswer, decodeDone } from "../../../../src/netlink/codec/message.ts";
import { decodeForwardingEntry, decodeNeighbour } from "../../../../src/netlink/codec/neighbour.ts";
import * as captured from "./captured.ts";
import { messageOf, nextHop, routeTo } from "./samples.ts";

const permanent = { macAddress: "02:00:00:00:00:06", state: "permanent" };

describe("links as the kernel describes them", () => {
  test("a veth whose peer lives in another namespace", () => {
    expect(decodeLink(messageOf(captured.linkVeth).payload)).toEqual({
      index: 2,
      name: "veth0",
      kind: "veth",
      mtu: 1400,
      macAddress: "ee:ee:ee:ee:ee:ee",
      up: true,
      running: true,
      loopback: false,
      linkIndex: 2,
      linkNamespaceId: 0,
    });
  });

  test("a vxlan device with what it was made with", () => {
    expect(decodeLink(messageOf(captured.linkVxlan).payload)).toEqual({
      index: 6,
      name: "vxlan.calico",
      kind: "vxlan",
      mtu: 1450,
      macAddress: "32:f8:84:1d:0e:52",
      up: true,
      running: true,
      loopback: false,
      vxlan: { vni: 4096, port: 4789, learning: false, local: IpAddress.parse("10.0.0.1"), parentIndex: 4 },
    });
  });

  test("what a bridge says about its ports is no link of its own, least of all a deleted one", () => {
    expect(decodeEvent(messageOf(captured.linkBridgePort))).toBeUndefined();
    expect(decodeEvent(messageOf(captured.linkLeavesBridge))).toBeUndefined();
  });
});

describe("addresses as the kernel describes them", () => {
  test.each([
    ["of IPv4", captured.addressV4, { interfaceIndex: 4, address: "10.0.0.1", prefixLength: 24, scope: "universe" }],
    [
      "of a point-to-point link, ours and not the peer's",
      captured.addressPeer,
      { interfaceIndex: 4, address: "192.0.2.1", prefixLength: 32, scope: "universe" },
    ],
    ["of lo", captured.addressLoopback, { interfaceIndex: 1, address: "127.0.0.1", prefixLength: 8, scope: "host" }],
    [
      "of IPv6 without duplicate detection",
      captured.addressV6,
      { interfaceIndex: 4, address: "fd00::1", prefixLength: 64, scope: "universe", noDuplicateDetection: true },
    ],
  ])("%s", (_what, hex, { address, ...rest }) => {
    expect(decodeAddress(messageOf(hex).payload)).toEqual({ ...rest, address: IpAddress.parse(address) });
  });
});

describe("neighbours as the kernel describes them", () => {
  test.each([
    [captured.neighbourV4, "10.0.0.6", permanent],
    [captured.neighbourV6, "fd00::6", permanent],
    [captured.neighbourFailed, "10.0.0.6", { state: "failed" }],
  ])("%#", (hex, address, rest) => {
    const expected = { interfaceIndex: 4, address: IpAddress.parse(address), ...rest };
    expect(decodeNeighbour(messageOf(hex).payload)).toEqual(expected);
    expect(decodeForwardingEntry(messageOf(hex).payload)).toBeUndefined();
  });

  test("an entry of a forwarding database", () => {
    expect(decodeForwardingEntry(messageOf(captured.forwardingEntry).payload)).toEqual({
      interfaceIndex: 6,
      macAddress: "66:48:f6:56:dc:f1",
      destination: IpAddress.parse("172.17.0.6"),
      permanent: true,
    });
    expect(decodeNeighbour(messageOf(captured.forwardingEntry).payload)).toBeUndefined();
  });

  test("a MAC address that a bridge forgets is neither", () => {
    expect(decodeEvent(messageOf(captured.bridgeForgetsMac))).toBeUndefined();
    expect(decodeForwardingEntry(messageOf(captured.bridgeForgetsMac).payload)).toBeUndefined();
  });
});

describe("notifications", () => {
  const route = routeTo("10.65.1.0/26", {
    protocol: 12,
    metric: 1024,
    nextHops: [nextHop("10.0.0.8", { interfaceIndex: 4 })],
  });

  test.each([
    ["a replaced route", captured.routeReplaced, { type: "route", action: "new", route, replaced: true }],
    ["a deleted route", captured.routeDeleted, { type: "route", action: "delete", route }],
    [
      "a deleted address",
      captured.addressDeleted,
      {
        type: "address",
        action: "delete",
        address: { interfaceIndex: 4, address: IpAddress.parse("10.0.0.1"), prefixLength: 24, scope: "universe" },
      },
    ],
    [
      "a neighbour",
      captured.neighbourFailed,
      {
        type: "neighbour",
        action: "new",
        neighbour: { interfaceIndex: 4, address: IpAddress.parse("10.0.0.6"), state: "failed" },
      },
    ],
  ])("%s", (_what, hex, event) => {
    expect(decodeEvent(messageOf(hex))).toEqual(event);
  });

  test("an entry of a forwarding database", () => {
    expect(decodeEvent(messageOf(captured.forwardingEntry))).toEqual({
      type: "forwarding",
      action: "new",
      entry: decodeForwardingEntry(messageOf(captured.forwardingEntry).payload),
    });
  });

  test("a new link", () => {
    expect(decodeEvent(messageOf(captured.linkVeth))).toMatchObject({ type: "link", action: "new" });
  });
});

describe("the kernel's answers", () => {
  test("carry the errno and the text of a refusal", () => {
    expect(decodeAnswer(messageOf(captured.refusedUnknownKind))).toEqual({ errno: 95, text: "Unknown device type" });
    expect(decodeAnswer(messageOf(captured.refusedNoDevice))).toEqual({ errno: 19 });
  });

  test("are errno 0 for an acknowledgement", () => {
    expect(decodeAnswer(messageOf(captured.acknowledged))).toEqual({ errno: 0 });
  });

  test("find the text also behind a request that is quoted in full", () => {
    // Length 68, flags NLM_F_ACK_TLVS without NLM_F_CAPPED, and 8 octets of payload after the request's header of 24.
    const header = "4400000002000002090000000000000";
    const quoted = `${header}0a1ffffff180000001000050609000000000000000102030405060708180001${captured.refusedUnknownKind.slice(-42)}`;
    expect(decodeAnswer(messageOf(quoted))).toEqual({ errno: 95, text: "Unknown device type" });
  });

  test("at the end of a dump say whether it went well", () => {
    expect(decodeDone(messageOf(captured.done))).toEqual({ errno: 0 });
    expect(decodeDone(messageOf(captured.doneNoTable))).toEqual({
      errno: 2,
      text: "ipv4: FIB table does not exist",
    });
  });
});
