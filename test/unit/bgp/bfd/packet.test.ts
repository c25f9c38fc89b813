import { describe, expect, test } from "vitest";
import {
  type BfdControlPacket,
  decodeControlPacket,
  diagnosticText,
  encodeControlPacket,
} from "../../../../src/bgp/bfd/packet.ts";

const up: BfdControlPacket = {
  diagnostic: 0,
  state: "Up",
  poll: true,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMultiplier: 3,
  myDiscriminator: 0x01020304,
  yourDiscriminator: 0xa1b2c3d4,
  desiredMinTxUs: 300_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
};
/** Written by hand from RFC 5880 §4.1. */
const upHex = "20e00318 01020304 a1b2c3d4 000493e0 0000c350 00000000";

function octets(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex"));
}

/** The packet with octets replaced. */
function changed(changes: Readonly<Record<number, number>>): Uint8Array {
  const bytes = octets(upHex);
  for (const [at, value] of Object.entries(changes)) bytes[Number(at)] = value;
  return bytes;
}

describe("a BFD control packet", () => {
  test("has the octets of RFC 5880 §4.1 in both directions", () => {
    expect(encodeControlPacket(up)).toEqual(octets(upHex));
    expect(decodeControlPacket(octets(upHex))).toEqual(up);
  });

  test.each([
    ["final", { final: true, poll: false }, 0xd0],
    ["control plane independent", { controlPlaneIndependent: true, poll: false }, 0xc8],
    ["demand", { demand: true, poll: false }, 0xc2],
    ["state Init", { state: "Init", poll: false }, 0x80],
    ["state Down", { state: "Down", poll: false }, 0x40],
    ["state AdminDown", { state: "AdminDown", poll: false }, 0x00],
  ] as const)("carries %s in its second octet", (_, change, octet) => {
    const packet = { ...up, ...change };
    expect(encodeControlPacket(packet)[1]).toBe(octet);
    expect(decodeControlPacket(encodeControlPacket(packet))).toEqual(packet);
  });

  test("is read with octets behind its own length, which are ignored", () => {
    expect(decodeControlPacket(octets(`${upHex} ffff`))).toEqual(up);
  });

  test.each([
    ["of 23 octets", octets(upHex).subarray(0, 23), "23 octets are shorter than a control packet"],
    ["of version 0", changed({ 0: 0x00 }), "version is 0, not 1"],
    ["with a length below the fixed part", changed({ 3: 23 }), "length field 23 does not fit 24 octets"],
    ["with a length beyond the datagram", changed({ 3: 25 }), "length field 25 does not fit 24 octets"],
    ["with authentication", changed({ 1: 0xc4 }), "it is authenticated, and authentication is not configured"],
    ["with the multipoint bit", changed({ 1: 0xc1 }), "the multipoint bit is set"],
    ["with a multiplier of 0", changed({ 2: 0 }), "detect multiplier is 0"],
    ["without a discriminator of its own", changed({ 4: 0, 5: 0, 6: 0, 7: 0 }), "my discriminator is 0"],
    ["that is Up without knowing us", changed({ 8: 0, 9: 0, 10: 0, 11: 0 }), "your discriminator is 0 in state Up"],
  ])("%s is refused with the reason", (_, bytes, reason) => {
    expect(decodeControlPacket(bytes)).toBe(reason);
  });

  test("of a session that begins needs no discriminator of ours", () => {
    expect(decodeControlPacket(changed({ 1: 0x40, 8: 0, 9: 0, 10: 0, 11: 0 }))).toMatchObject({ state: "Down" });
  });
});

test("diagnostics are told in words, unknown ones by their number", () => {
  expect([1, 3, 31].map(diagnosticText)).toEqual([
    "control detection time expired",
    "neighbor signaled session down",
    "diagnostic 31",
  ]);
});
