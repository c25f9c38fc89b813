import { describe, expect, test } from "vitest";
import {
  type BmpPeer,
  encodeInitiation,
  encodePeerDown,
  encodePeerUp,
  encodeRouteMonitoring,
  encodeStatistics,
  encodeTermination,
} from "../../../../src/bgp/bmp/message.ts";
import { IpAddress } from "../../../../src/net/address.ts";

const peer: BmpPeer = {
  view: "adj-rib-in",
  address: IpAddress.parse("192.0.2.1"),
  asNumber: 4200000001,
  identifier: 0x0a000001,
  twoOctetAs: false,
};
const timeMs = 1_700_000_000_250;
const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
/** RFC 7854 §4.2, written by hand: type, flags, distinguisher, address, AS, identifier, seconds, microseconds. */
const header = (type: string, flags: string, address = "000000000000000000000000c0000201", as = "fa56ea01") =>
  `${type}${flags}0000000000000000${address}${as}0a0000016553f1000003d090`;

describe("BMP messages have the octets of RFC 7854", () => {
  test("Initiation and Termination", () => {
    expect(hex(encodeInitiation("ab", "n"))).toBe("03000000110400010002616200020001" + "6e");
    expect(hex(encodeTermination())).toBe("030000000c05000100020000");
  });

  test("Route Monitoring, with flags for IPv6, for AS numbers of two octets and for what we send (RFC 8671)", () => {
    const update = Uint8Array.of(0xaa, 0xbb);
    expect(hex(encodeRouteMonitoring(peer, timeMs, update))).toBe(`030000003200${header("00", "00")}aabb`);
    const ipv6 = { ...peer, address: IpAddress.parse("2001:db8::1"), twoOctetAs: true, view: "adj-rib-out" } as const;
    expect(hex(encodeRouteMonitoring(ipv6, timeMs, update))).toBe(
      `030000003200${header("00", "f0", "20010db8000000000000000000000001")}aabb`,
    );
  });

  test("Peer Up, of the Loc-RIB with the table's name (RFC 9069)", () => {
    const session = {
      localAddress: IpAddress.parse("192.0.2.2"),
      localPort: 179,
      remotePort: 40000,
      sentOpen: Uint8Array.of(1),
      receivedOpen: Uint8Array.of(2),
    };
    const ends = "000000000000000000000000c000020200b39c40";
    expect(hex(encodePeerUp(peer, timeMs, session))).toBe(`030000004603${header("00", "00")}${ends}0102`);
    expect(hex(encodePeerUp({ ...peer, view: "loc-rib" }, timeMs, session))).toBe(
      `030000005003${header("03", "00", "0".repeat(32))}${ends}010200030006676c6f62616c`,
    );
  });

  test.each([
    ["local-notification", { kind: "local-notification", message: Uint8Array.of(9) }, "0109"],
    ["local", { kind: "local", fsmEvent: 2 }, "020002"],
    ["remote-notification", { kind: "remote-notification", message: Uint8Array.of(8) }, "0308"],
    ["remote", { kind: "remote" }, "04"],
    ["deconfigured", { kind: "deconfigured" }, "05"],
  ] as const)("Peer Down: %s", (_, reason, octets) => {
    expect(hex(encodePeerDown(peer, timeMs, reason)).slice(12)).toBe(`${header("00", "00")}${octets}`);
  });

  test("Statistics with counters of 32 and 64 bits", () => {
    const statistics = [
      { type: 0, value: 5, wide: false },
      { type: 7, value: 2 ** 33, wide: true },
    ];
    expect(hex(encodeStatistics(peer, timeMs, statistics)).slice(12)).toBe(
      `${header("00", "00")}000000020000000400000005000700080000000200000000`,
    );
  });
});
