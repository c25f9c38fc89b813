import { describe, expect, test } from "vitest";
import type { Capability } from "../../../../src/bgp/packet/capability.ts";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import type { OpenMessage } from "../../../../src/bgp/packet/message.ts";
import { encodeOpen } from "../../../../src/bgp/packet/open.ts";
import { fromHex, messageOf, toHex } from "./sessions.ts";

const plain: OpenMessage = {
  type: "open",
  version: 4,
  myAs: 64512,
  holdTimeSec: 90,
  bgpIdentifier: 0x0a000001,
  capabilities: [],
};

/** Everything before the optional parameters: version 4, AS 64512, hold 90, id 10.0.0.1. */
const head = "04 fc00 005a 0a000001";

function capabilitiesOf(parameters: string): readonly Capability[] {
  const result = decodeMessage(messageOf(1, head + parameters), undefined);
  if (!result.ok) throw new Error(result.error.reason);
  if (result.message.type !== "open") throw new Error("no OPEN");
  return result.message.capabilities;
}

function errorOf(body: string): string {
  const result = decodeMessage(messageOf(1, body), undefined);
  if (result.ok) throw new Error("no error");
  const { code, subcode, data } = result.error;
  return `${code}/${subcode} ${toHex(data)}`.trim();
}

const oneOfEach: readonly Capability[] = [
  { kind: "multiprotocol", afi: 2, safi: 1 },
  { kind: "route-refresh" },
  { kind: "extended-message" },
  {
    kind: "graceful-restart",
    restarting: true,
    notification: true,
    restartTimeSec: 120,
    families: [{ afi: 1, safi: 1, forwardingPreserved: true }],
  },
  { kind: "four-octet-as", asNumber: 4_200_000_000 },
  {
    kind: "add-path",
    families: [
      { afi: 1, safi: 1, mode: "both" },
      { afi: 2, safi: 1, mode: "receive" },
    ],
  },
  { kind: "enhanced-route-refresh" },
  { kind: "extended-next-hop", families: [{ afi: 1, safi: 1, nextHopAfi: 2 }] },
  { kind: "role", value: 3 },
  {
    kind: "long-lived-graceful-restart",
    families: [{ afi: 1, safi: 1, forwardingPreserved: true, staleTimeSec: 86_400 }],
  },
  { kind: "unknown", code: 73, value: fromHex("03616263") },
];

describe("OPEN", () => {
  test("has the octets that the RFCs give for every capability", () => {
    expect(toHex(encodeOpen({ ...plain, capabilities: oneOfEach })).slice(38)).toBe(
      "04fc00005a0a0000014002" +
        "3e010400020001" +
        "0200" +
        "0600" +
        "4006c07800010180" +
        "4104fa56ea00" +
        "45080001010300020101" +
        "4600" +
        "0506000100010002" +
        "090103" +
        "470700010180015180" +
        "490403616263",
    );
  });

  test("without capabilities is 29 octets long", () => {
    expect(encodeOpen(plain).length).toBe(29);
  });

  test("switches to the parameters of RFC 9072 when the capabilities exceed 253 octets", () => {
    const value = new Uint8Array(200).fill(7);
    const capabilities: Capability[] = [
      { kind: "unknown", code: 200, value },
      { kind: "unknown", code: 201, value },
    ];
    const bytes = encodeOpen({ ...plain, capabilities });
    expect(toHex(bytes).slice(56, 70)).toBe("ffff0197020194");
    expect(decodeMessage(bytes, undefined)).toEqual({ ok: true, message: { ...plain, capabilities } });
  });

  test.each([
    ["another version answers with the highest one we speak", "03 fc00 005a 0a000001 00", "2/1 0004"],
    ["AS 0 is no peer", "04 0000 005a 0a000001 00", "2/2 0000"],
    ["a hold time of 1 s is refused with the value", "04 fc00 0001 0a000001 00", "2/6 0001"],
    ["a hold time of 2 s is refused with the value", "04 fc00 0002 0a000001 00", "2/6 0002"],
    ["identifier 0 is refused", "04 fc00 005a 00000000 00", "2/3 00000000"],
    ["an unknown optional parameter is refused", `${head} 03 01 01 00`, "2/4 010100"],
    ["four-octet AS 0 is no peer", `${head} 08 02 06 4104 00000000`, "2/2 00000000"],
    ["two different four-octet AS numbers are refused", `${head} 0e 02 0c 4104 00000001 4104 00000002`, "2/2 00000002"],
    ["a multiprotocol capability of 3 octets is refused", `${head} 07 02 05 0103 000100`, "2/0 000100"],
    ["a parameter without length octet is refused (CVE-2022-43681)", `${head} 01 02`, "2/0"],
    ["an RFC 9072 header cut in its length is refused (CVE-2022-40318)", `${head} ff ff 00`, "2/0"],
    ["an RFC 9072 parameter with half a length is refused (CVE-2022-40302)", `${head} ff ff 0002 02 00`, "2/0"],
    ["octets behind the parameters are refused", `${head} 00 00`, "2/0"],
    ["length 0 is never the form of RFC 9072", `${head} 00 ff 0000`, "2/0"],
    ["a capability beyond its parameter is refused", `${head} 06 02 04 01 ff 0001`, "2/0"],
  ])("%s", (_, body, error) => {
    expect(errorOf(body)).toBe(error);
  });

  test("of a peer whose hold time is 0 or 3 is fine", () => {
    for (const hold of ["0000", "0003"])
      expect(decodeMessage(messageOf(1, `04 fc00 ${hold} 0a000001 00`), undefined).ok).toBe(true);
  });

  test.each([
    ["route refresh", "02 01 00"],
    ["extended message", "06 01 00"],
    ["enhanced route refresh", "46 02 0000"],
    ["graceful restart with half a family", "40 04 0078 0001"],
    ["graceful restart of one octet", "40 01 80"],
    ["ADD-PATH of three octets", "45 03 000101"],
    ["extended next hop of five octets", "05 05 0001000100"],
    ["a role of two octets", "09 02 0000"],
    ["long-lived graceful restart of four octets (CVE-2023-31489)", "47 04 00010180"],
  ])("ignores a capability of the wrong length that the session can do without: %s", (_, capability) => {
    const length = capability.replace(/\s/g, "").length / 2;
    const parameter = `02 ${(length + 4).toString(16).padStart(2, "0")} ${capability} c8 02 cafe`;
    expect(capabilitiesOf(`${(length + 6).toString(16).padStart(2, "0")} ${parameter}`)).toEqual([
      { kind: "unknown", code: 200, value: fromHex("cafe") },
    ]);
  });

  test("ignores only those ADD-PATH tuples whose mode is not 1, 2 or 3", () => {
    expect(capabilitiesOf("10 02 0e 450c 00010100 00020102 00010104")).toEqual([
      { kind: "add-path", families: [{ afi: 2, safi: 1, mode: "send" }] },
    ]);
  });

  test("may spread its capabilities over parameters, and a parameter may be empty", () => {
    expect(capabilitiesOf("0a 02 02 0200 02 00 02 02 4600")).toEqual([
      { kind: "route-refresh" },
      { kind: "enhanced-route-refresh" },
    ]);
  });

  test.each([
    ["version", { version: 3 }],
    ["myAs", { myAs: 0 }],
    ["myAs", { myAs: 65536 }],
    ["holdTimeSec", { holdTimeSec: 2 }],
    ["bgpIdentifier", { bgpIdentifier: 0 }],
    ["restartTimeSec", { capabilities: [{ ...graceful(4096) }] }],
    ["capability", { capabilities: [{ kind: "unknown", code: 99, value: new Uint8Array(256) }] }],
  ] as const)("is not made with a bad %s", (field, changes) => {
    expect(() => encodeOpen({ ...plain, ...changes })).toThrowError(
      expect.objectContaining({ code: "VALUE_OUT_OF_RANGE", details: expect.objectContaining({ field }) }),
    );
  });

  test("is not made larger than 4096 octets", () => {
    const capability: Capability = { kind: "unknown", code: 99, value: new Uint8Array(255) };
    expect(() => encodeOpen({ ...plain, capabilities: Array(16).fill(capability) })).toThrowError(
      expect.objectContaining({ code: "MESSAGE_TOO_LARGE" }),
    );
  });
});

function graceful(restartTimeSec: number): Capability {
  return { kind: "graceful-restart", restarting: false, notification: false, restartTimeSec, families: [] };
}
