import { describe, expect, test } from "vitest";
import type { PathAttributes } from "../../../../src/bgp/packet/attributes.ts";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import type { Announcement, CodecContext, Nlri, UpdateMessage } from "../../../../src/bgp/packet/message.ts";
import { encodeEndOfRib, encodeUpdates } from "../../../../src/bgp/packet/update-encode.ts";
import { IpAddress } from "../../../../src/net/address.ts";
import { Prefix } from "../../../../src/net/prefix.ts";
import { session, toHex } from "./sessions.ts";

const ibgp = session({ peerType: "ibgp" });
const plain: PathAttributes = {
  origin: 0,
  asPath: [{ type: "sequence", asNumbers: [64512] }],
  atomicAggregate: false,
  communities: [],
  extendedCommunities: [],
  largeCommunities: [],
  clusterList: [],
  unknown: [],
};

function nlri(...texts: string[]): Nlri[] {
  return texts.map((text) => ({ prefix: Prefix.parse(text), pathId: 0 }));
}

function ipv4(...prefixes: string[]): Announcement {
  return { family: "ipv4-unicast", nextHop: { address: IpAddress.parse("10.0.0.1") }, nlri: nlri(...prefixes) };
}

function ipv6(...prefixes: string[]): Announcement {
  return { family: "ipv6-unicast", nextHop: { address: IpAddress.parse("fd00::1") }, nlri: nlri(...prefixes) };
}

/** The body of the only message. */
function bodyOf(messages: readonly Uint8Array[]): string {
  expect(messages.length).toBe(1);
  return toHex(messages[0] ?? new Uint8Array()).slice(38);
}

function announce(announcement: Announcement, attributes: Partial<PathAttributes>, context: CodecContext) {
  return encodeUpdates(
    { withdrawals: [], announcements: [announcement], attributes: { ...plain, ...attributes } },
    context,
  );
}

function decodeAll(messages: readonly Uint8Array[], context: CodecContext): UpdateMessage[] {
  return messages.map((bytes) => {
    const result = decodeMessage(bytes, context);
    if (!result.ok || result.message.type !== "update") throw new Error("no UPDATE");
    expect(result.message.problems).toEqual([]);
    return result.message;
  });
}

describe("the octets of an UPDATE", () => {
  test("IPv4 routes stand in the classic fields", () => {
    expect(bodyOf(announce(ipv4("10.65.0.0/26", "10.66.0.0/16"), {}, session()))).toBe(
      `0000001440010100400206020100 00fc004003040a000001 1a0a410000 100a42`.replace(/ /g, ""),
    );
    const withdrawals = [{ family: "ipv4-unicast", nlri: nlri("10.65.0.0/26", "0.0.0.0/0") } as const];
    expect(bodyOf(encodeUpdates({ withdrawals, announcements: [] }, session()))).toBe("00061a0a410000000000");
  });

  test("IPv6 routes stand in MP_REACH_NLRI, first in the list, and MP_UNREACH_NLRI", () => {
    expect(bodyOf(announce(ipv6("fd00:65::/122"), {}, session()))).toBe(
      "0000" +
        "0036" +
        `800e26000201 10fd${"00".repeat(14)}01 00 7afd000065${"00".repeat(12)}`.replace(/ /g, "") +
        "40010100" +
        "4002060201" +
        "0000fc00",
    );
    const withdrawals = [{ family: "ipv6-unicast", nlri: nlri("fd00::/16") } as const];
    expect(bodyOf(encodeUpdates({ withdrawals, announcements: [] }, session()))).toBe("00000009800f0600020110fd00");
  });

  test("IPv4 routes with an IPv6 next hop stand in MP_REACH_NLRI where RFC 8950 is agreed on, and nowhere else", () => {
    const context = session({ ipv4OverIpv6: true });
    const route = { ...ipv4("10.65.0.0/26"), nextHop: { address: IpAddress.parse("fd00::1") } };
    const messages = announce(route, {}, context);
    expect(bodyOf(messages)).toBe(
      `0000 002a 800e1a 000101 10fd${"00".repeat(14)}01 001a0a410000 40010100 4002060201 0000fc00`.replace(/ /g, ""),
    );
    expect(decodeAll(messages, context)[0]?.announcements).toEqual([route]);
    const both = { address: IpAddress.parse("fd00::1"), linkLocal: IpAddress.parse("fe80::1") };
    expect(
      decodeAll(announce({ ...route, nextHop: both }, {}, context), context)[0]?.announcements[0]?.nextHop,
    ).toEqual(both);
    expect(bodyOf(announce(ipv4("10.65.0.0/26"), {}, context))).toContain("4003040a000001");
    expect(() => announce(route, {}, session())).toThrowError(
      expect.objectContaining({ code: "NEXT_HOP_FAMILY_MISMATCH" }),
    );
    expect(() => announce({ ...ipv6("fd00::/16"), nextHop: { address: IpAddress.v4(1) } }, {}, context)).toThrowError(
      expect.objectContaining({ code: "NEXT_HOP_FAMILY_MISMATCH" }),
    );
  });

  test("a link-local next hop makes 32 octets of it", () => {
    const nextHop = { address: IpAddress.parse("fd00::1"), linkLocal: IpAddress.parse("fe80::1") };
    const messages = announce({ ...ipv6("fd00::/16"), nextHop }, {}, session());
    expect(decodeAll(messages, session())[0]?.announcements[0]?.nextHop).toEqual(nextHop);
  });

  test("End-of-RIB is an empty UPDATE for IPv4 and an empty MP_UNREACH_NLRI for IPv6", () => {
    expect(toHex(encodeEndOfRib("ipv4-unicast")).slice(32)).toBe("00170200000000");
    expect(toHex(encodeEndOfRib("ipv6-unicast")).slice(32)).toBe("001d0200000006800f03000201");
  });

  test("attributes ascend by code with the unknown ones among them, and a long one has a two-octet length", () => {
    const unknown = [
      { flags: 0xe0, code: 254, value: new Uint8Array(256) },
      { flags: 0xe0, code: 11, value: new Uint8Array([1]) },
      { flags: 0xe0, code: 0, value: new Uint8Array() },
    ];
    const body = bodyOf(announce(ipv4("10.0.0.0/8"), { unknown, communities: [1] }, session()));
    expect(body).toContain("e00000" + "400101");
    expect(body).toContain("c0080400000001" + "e00b0101" + "f0fe0100");
  });

  test("what has no place on an external session is left out", () => {
    const attributes = {
      localPref: 100,
      originatorId: 1,
      clusterList: [1],
      asPath: [
        { type: "confed-sequence", asNumbers: [65001] },
        { type: "sequence", asNumbers: [64512] },
      ],
    } as const;
    const external = announce(ipv4("10.0.0.0/8"), attributes, session());
    expect(external).toEqual(announce(ipv4("10.0.0.0/8"), {}, session()));
    const [internal] = decodeAll(announce(ipv4("10.0.0.0/8"), attributes, ibgp), ibgp);
    expect(internal?.attributes).toEqual({ ...plain, ...attributes });
  });
});

describe("towards a two-octet speaker", () => {
  const old = session({ peerType: "ibgp", fourOctetAs: false });

  test("AS_TRANS stands for large numbers and the AS4 attributes say which", () => {
    const attributes = {
      asPath: [{ type: "sequence", asNumbers: [64512, 70000] }],
      aggregator: { asNumber: 70000, address: IpAddress.parse("10.0.0.1") },
    } as const;
    const messages = announce(ipv4("10.0.0.0/8"), attributes, old);
    expect(bodyOf(messages)).toContain(
      "4002060202fc005ba0" +
        "4003040a000001" +
        "c007065ba00a000001" +
        "c0110a02020000fc0000011170" +
        "c01208000111700a000001",
    );
    expect(decodeAll(messages, old)[0]?.attributes).toEqual({ ...plain, ...attributes });
  });

  test("there are no AS4 attributes where nothing was mapped", () => {
    const attributes = {
      asPath: [
        { type: "confed-sequence", asNumbers: [70000] },
        { type: "sequence", asNumbers: [64512] },
      ],
      aggregator: { asNumber: 65535, address: IpAddress.parse("10.0.0.1") },
    } as const;
    const body = bodyOf(announce(ipv4("10.0.0.0/8"), attributes, old));
    expect(body).toContain("40020803015ba00201fc00");
    expect(body).not.toMatch(/c011|c012/);
  });
});

describe("what no message can carry", () => {
  const attempts: readonly (readonly [name: string, code: string, attempt: () => unknown])[] = [
    [
      "routes without attributes",
      "ATTRIBUTES_MISSING",
      () => encodeUpdates({ withdrawals: [], announcements: [ipv4("10.0.0.0/8")] }, session()),
    ],
    [
      "a family not agreed on",
      "FAMILY_NOT_NEGOTIATED",
      () => announce(ipv6("fd00::/16"), {}, session({ families: ["ipv4-unicast"] })),
    ],
    [
      "an IPv6 next hop for IPv4 routes",
      "NEXT_HOP_FAMILY_MISMATCH",
      () => announce({ ...ipv4("10.0.0.0/8"), nextHop: { address: IpAddress.parse("fd00::1") } }, {}, session()),
    ],
    ["an IPv6 prefix among IPv4 routes", "VALUE_OUT_OF_RANGE", () => announce(ipv4("fd00::/16"), {}, session())],
    [
      "an AS_SET",
      "AS_SET_FORBIDDEN",
      () => announce(ipv4("10.0.0.0/8"), { asPath: [{ type: "set", asNumbers: [1] }] }, session()),
    ],
    [
      "AS 0",
      "VALUE_OUT_OF_RANGE",
      () => announce(ipv4("10.0.0.0/8"), { asPath: [{ type: "sequence", asNumbers: [0] }] }, session()),
    ],
    [
      "an AS number of 33 bits",
      "VALUE_OUT_OF_RANGE",
      () => announce(ipv4("10.0.0.0/8"), { asPath: [{ type: "sequence", asNumbers: [2 ** 32] }] }, session()),
    ],
    [
      "an empty segment",
      "VALUE_OUT_OF_RANGE",
      () => announce(ipv4("10.0.0.0/8"), { asPath: [{ type: "sequence", asNumbers: [] }] }, session()),
    ],
    ["a negative MED", "VALUE_OUT_OF_RANGE", () => announce(ipv4("10.0.0.0/8"), { med: -1 }, session())],
    [
      "an extended community of 65 bits",
      "VALUE_OUT_OF_RANGE",
      () => announce(ipv4("10.0.0.0/8"), { extendedCommunities: [2n ** 64n] }, session()),
    ],
    [
      "an IPv6 aggregator",
      "VALUE_OUT_OF_RANGE",
      () =>
        announce(ipv4("10.0.0.0/8"), { aggregator: { asNumber: 1, address: IpAddress.parse("fd00::1") } }, session()),
    ],
    [
      "a known attribute among the unknown",
      "VALUE_OUT_OF_RANGE",
      () => announce(ipv4("10.0.0.0/8"), { unknown: [{ flags: 0xe0, code: 8, value: new Uint8Array(4) }] }, session()),
    ],
    [
      "an unknown attribute twice",
      "VALUE_OUT_OF_RANGE",
      () => {
        const twice = { flags: 0xe0, code: 99, value: new Uint8Array(4) };
        return announce(ipv4("10.0.0.0/8"), { unknown: [twice, twice] }, session());
      },
    ],
    [
      "an unknown non-transitive attribute",
      "VALUE_OUT_OF_RANGE",
      () => announce(ipv4("10.0.0.0/8"), { unknown: [{ flags: 0x80, code: 99, value: new Uint8Array(4) }] }, session()),
    ],
    [
      "attributes that leave no room for a route",
      "ATTRIBUTES_TOO_LARGE",
      () => announce(ipv6("fd00::/16"), { communities: Array(1020).fill(1) }, session()),
    ],
    [
      "an attribute of more than 65535 octets",
      "ATTRIBUTES_TOO_LARGE",
      () => announce(ipv4("10.0.0.0/8"), { communities: Array(16400).fill(1) }, session({ maxMessageLength: 65535 })),
    ],
  ];

  test.each(attempts)("%s: %s", (_, code, attempt) => {
    expect(attempt).toThrowError(expect.objectContaining({ name: "BgpPacketError", code }));
  });
});

describe("many routes", () => {
  const prefixes = Array.from({ length: 5000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/24`);

  test("go into as few messages as can hold them", () => {
    const messages = announce(ipv4(...prefixes), {}, session());
    // 4096 less 23 of header and lengths and 20 of attributes holds 1013 prefixes of 4 octets.
    expect(messages.map((bytes) => bytes.length)).toEqual([4095, 4095, 4095, 4095, 43 + 4 * (5000 - 4 * 1013)]);
    const extended = session({ maxMessageLength: 65535 });
    expect(announce(ipv4(...prefixes), {}, extended).map((bytes) => bytes.length)).toEqual([43 + 4 * 5000]);
  });

  test("fill a message to its last octet", () => {
    const withdrawals = [{ family: "ipv4-unicast", nlri: nlri(...prefixes.slice(0, 1018), "0.0.0.0/0") } as const];
    const messages = encodeUpdates({ withdrawals, announcements: [] }, session());
    expect(messages.map((bytes) => bytes.length)).toEqual([4096]);
  });

  test("carry path identifiers where we send them", () => {
    const addPath = session({ addPathSend: ["ipv4-unicast"], addPathReceive: ["ipv4-unicast"] });
    const routes = prefixes.map((text, pathId) => ({ prefix: Prefix.parse(text), pathId }));
    const messages = announce({ ...ipv4(), nlri: routes }, {}, addPath);
    expect(Math.max(...messages.map((bytes) => bytes.length))).toBeLessThanOrEqual(4096);
    expect(decodeAll(messages, addPath).flatMap((update) => update.announcements.flatMap((part) => part.nlri))).toEqual(
      routes,
    );
  });

  test("an AS path of more than 255 numbers is cut into segments", () => {
    const asNumbers = Array.from({ length: 600 }, (_, index) => index + 1);
    const [update] = decodeAll(announce(ipv4("10.0.0.0/8"), { asPath: [{ type: "sequence", asNumbers }] }, ibgp), ibgp);
    const path = update?.attributes?.asPath ?? [];
    expect(path.map((segment) => segment.asNumbers.length)).toEqual([255, 255, 90]);
    expect(path.flatMap((segment) => segment.asNumbers)).toEqual(asNumbers);
  });
});
