import { describe, expect, test } from "vitest";
import {
  encodeMessage,
  encodePeerIndexTable,
  encodeRibEntries,
  encodeStateChange,
} from "../../../../src/bgp/mrt/record.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";

const timeMs = 1_700_000_000_250;
const hex = (octets: Uint8Array) => Buffer.from(octets).toString("hex");
const session = {
  remoteAs: 4200000001,
  localAs: 64512,
  remoteAddress: IpAddress.parse("192.0.2.1"),
  localAddress: IpAddress.parse("192.0.2.2"),
};

describe("MRT records have the octets of RFC 6396", () => {
  test("a message of a peer, with microseconds; between AS numbers of two octets the others are AS_TRANS", () => {
    expect(hex(encodeMessage(timeMs, session, { twoOctetAs: false, pathIds: false }, Uint8Array.of(0xaa)))).toBe(
      "6553f100001100040000001" + "9" + "0003d090" + "fa56ea010000fc0000000001c0000201c0000202" + "aa",
    );
    expect(hex(encodeMessage(timeMs, session, { twoOctetAs: true, pathIds: false }, Uint8Array.of(0xaa)))).toBe(
      "6553f1000011000100000015" + "0003d090" + "5ba0fc0000000001c0000201c0000202" + "aa",
    );
  });

  test("a message with path identifiers is of a kind of its own (RFC 8050)", () => {
    const kindOf = (twoOctetAs: boolean) =>
      hex(encodeMessage(timeMs, session, { twoOctetAs, pathIds: true }, Uint8Array.of(0xaa)).subarray(4, 8));
    expect([kindOf(true), kindOf(false)]).toEqual(["00110008", "00110009"]);
  });

  test("a change of state", () => {
    expect(hex(encodeStateChange(timeMs, session, "Established", "Idle"))).toBe(
      "6553f100001100050000001c" + "0003d090" + "fa56ea010000fc0000000001c0000201c0000202" + "00060001",
    );
  });

  test("the table of peers", () => {
    const peers = [{ identifier: 1, address: IpAddress.parse("2001:db8::1"), asNumber: 65001 }];
    expect(hex(encodePeerIndexTable(timeMs, { identifier: 0x0a000001, viewName: "n1" }, peers))).toBe(
      "6553f100000d000100000023" +
        "0a00000100026e310001" +
        "03" +
        "00000001" +
        "20010db8000000000000000000000001" +
        "0000fde9",
    );
  });

  test("the paths of a prefix, with path identifiers where a session has them (RFC 8050)", () => {
    const entry = { peerIndex: 3, originatedSec: 0x10, attributes: Uint8Array.of(0xaa) };
    const prefix = Prefix.parse("10.1.128.0/17");
    expect(hex(encodeRibEntries(timeMs, 5, prefix, [{ ...entry, pathId: undefined }]))).toBe(
      "6553f100000d000200000013" + "00000005" + "110a0180" + "0001" + "0003" + "00000010" + "0001" + "aa",
    );
    expect(hex(encodeRibEntries(timeMs, 5, prefix, [{ ...entry, pathId: 9 }]))).toBe(
      "6553f100000d000800000017" + "00000005" + "110a0180" + "0001" + "0003" + "00000010" + "00000009" + "0001" + "aa",
    );
  });
});
