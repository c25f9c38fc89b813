import { describe, expect, test } from "vitest";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import type { CodecContext, UpdateMessage } from "../../../../src/bgp/packet/message.ts";
import { attribute, messageOf, session, toHex, updateOf } from "./sessions.ts";

const ebgp = session();
const ibgp = session({ peerType: "ibgp" });

const origin = "400101 00";
const asPath = "400206 0201 0000fde9";
const nextHop = "400304 0a010001";
const mandatory = origin + asPath + nextHop;
/** 10.1.0.0/16 in the NLRI field, 10.2.0.0/16 in the withdrawn routes. */
const nlri = "100a01";
const withdrawn = "100a02";
/** 2001:db8::/32 through fd00::2. */
const ipv6Head = "0002 01 10 fd000000000000000000000000000002 00";
const reach = `800e1a ${ipv6Head} 20 20010db8`;

function decode(bytes: Uint8Array, context?: CodecContext): UpdateMessage {
  const result = decodeMessage(bytes, context);
  if (!result.ok) throw new Error(`${result.error.code}/${result.error.subcode} ${result.error.reason}`);
  if (result.message.type !== "update") throw new Error("no UPDATE");
  return result.message;
}

/** e.g. "+10.1.0.0/16 -10.2.0.0/16": announced and withdrawn. */
function routesOf(update: UpdateMessage): string {
  const texts = (sign: string, parts: UpdateMessage["withdrawals"]) =>
    parts.flatMap((part) => part.nlri.map((item) => `${sign}${item.prefix}`));
  return [...texts("+", update.announcements), ...texts("-", update.withdrawals)].join(" ");
}

function errorOf(bytes: Uint8Array, context: CodecContext = ebgp): string {
  const result = decodeMessage(bytes, context);
  if (result.ok) throw new Error("no error");
  return `${result.error.code}/${result.error.subcode} ${toHex(result.error.data)}`.trim();
}

describe("a well-formed UPDATE", () => {
  test("gives every attribute that routes can have", () => {
    const attributes = `${mandatory} 800404 0000000a 400504 000000c8 4006 00 c00708 0000fde9 0a000009
      c00808 ffffff01 fde80064 800904 0a000003 800a08 0a000004 0a000005
      c01008 0002fde800000064 c0200c fa56ea00 00000001 00000002 e0fe02 cafe`;
    const update = decode(updateOf({ attributes, nlri }), ibgp);
    expect(update.problems).toEqual([]);
    expect(
      JSON.parse(JSON.stringify(update.attributes, (_, value) => (typeof value === "bigint" ? `${value}` : value))),
    ).toEqual({
      origin: 0,
      asPath: [{ type: "sequence", asNumbers: [65001] }],
      med: 10,
      localPref: 200,
      atomicAggregate: true,
      aggregator: { asNumber: 65001, address: "10.0.0.9" },
      communities: [0xffffff01, 0xfde80064],
      extendedCommunities: [`${0x0002fde800000064n}`],
      largeCommunities: [{ global: 4_200_000_000, local1: 1, local2: 2 }],
      originatorId: 0x0a000003,
      clusterList: [0x0a000004, 0x0a000005],
      unknown: [{ flags: 0xe0, code: 254, value: { 0: 0xca, 1: 0xfe } }],
    });
    expect(update.announcements[0]?.nextHop.address.toString()).toBe("10.1.0.1");
  });

  test("ignores bits set behind a prefix length, and takes lengths 0 and 32", () => {
    const update = decode(updateOf({ attributes: mandatory, nlri: "00 16 0affff 20 0a010203" }), ebgp);
    expect(routesOf(update)).toBe("+0.0.0.0/0 +10.255.252.0/22 +10.1.2.3/32");
  });

  test("may withdraw and announce at once, also of both families", () => {
    const unreach = "800f07 0002 01 18 fd0000";
    const update = decode(updateOf({ withdrawn, attributes: reach + unreach + mandatory, nlri }), ebgp);
    expect(routesOf(update)).toBe("+10.1.0.0/16 +2001:db8::/32 -10.2.0.0/16 -fd00::/24");
    expect(update.announcements[0]?.nextHop.address.toString()).toBe("10.1.0.1");
    expect(update.announcements[1]?.nextHop.address.toString()).toBe("fd00::2");
  });

  test("keeps no view of the octets it was made from", () => {
    const bytes = updateOf({ attributes: `${mandatory} c0fe02 cafe`, nlri });
    const update = decode(bytes, ebgp);
    bytes.fill(0);
    expect(toHex(update.attributes?.unknown[0]?.value ?? new Uint8Array())).toBe("cafe");
  });

  test("without a context is read with two-octet AS numbers", () => {
    const update = decode(updateOf({ attributes: `${origin} 400204 0201 fde9 ${nextHop}`, nlri }));
    expect(update.attributes?.asPath).toEqual([{ type: "sequence", asNumbers: [65001] }]);
  });

  test("carries path identifiers in every field of a family with ADD-PATH, and in no other", () => {
    const addPath = session({ addPathReceive: ["ipv4-unicast"] });
    const update = decode(
      updateOf({
        withdrawn: `00000007 ${withdrawn}`,
        attributes: `${reach} 800f0b 0001 01 00000009 18 0a0300 ${mandatory}`,
        nlri: `00000000 ${nlri} ffffffff ${nlri}`,
      }),
      addPath,
    );
    const ids = [...update.withdrawals, ...update.announcements].map((part) => part.nlri.map((item) => item.pathId));
    expect(ids).toEqual([[7], [9], [0, 0xffffffff], [0]]);
  });

  test("of a family that the session did not agree on is ignored", () => {
    const ipv6Only = session({ families: ["ipv6-unicast"] });
    expect(routesOf(decode(updateOf({ withdrawn, attributes: reach + mandatory, nlri }), ipv6Only))).toBe(
      "+2001:db8::/32",
    );
    const ipv4Only = session({ families: ["ipv4-unicast"] });
    expect(routesOf(decode(updateOf({ attributes: reach + mandatory, nlri }), ipv4Only))).toBe("+10.1.0.0/16");
    // Flowspec (AFI 1, SAFI 133) without any other attribute, CVE-2023-41909.
    expect(routesOf(decode(updateOf({ attributes: "800e09 0001 85 00 00 03 010203" }), ebgp))).toBe("");
  });
});

describe("End-of-RIB", () => {
  test.each([
    ["an empty UPDATE", "", "ipv4-unicast"],
    ["an empty MP_UNREACH_NLRI for IPv4", "800f03 0001 01", "ipv4-unicast"],
    ["an empty MP_UNREACH_NLRI for IPv6", "800f03 0002 01", "ipv6-unicast"],
    ["an empty MP_UNREACH_NLRI of a family not agreed on", "800f03 0001 85", undefined],
    ["a withdrawal", "800f07 0002 01 18 fd0000", undefined],
    ["attributes without routes", mandatory, undefined],
    ["an empty MP_UNREACH_NLRI beside attributes", `800f03 0002 01 ${mandatory}`, undefined],
    ["an MP_REACH_NLRI without routes, as old speakers mark it", `800e15 ${ipv6Head}`, undefined],
    ["the same with no next hop to speak of", `800e15 0002 01 10 ${"00".repeat(16)} 00`, undefined],
  ])("%s: %#", (_, attributes, family) => {
    const update = decode(updateOf({ attributes }), ebgp);
    expect(update.endOfRib).toBe(family);
    expect(update.announcements).toEqual([]);
  });

  test("is none when routes are withdrawn in the same message", () => {
    expect(decode(updateOf({ withdrawn, attributes: "800f03 0002 01" }), ebgp).endOfRib).toBeUndefined();
  });

  test("of IPv4 is none on a session without IPv4", () => {
    expect(decode(updateOf({}), session({ families: ["ipv6-unicast"] })).endOfRib).toBeUndefined();
  });
});

describe("the next hop", () => {
  const through = (field: string, context = ebgp) => {
    const ipv6 = attribute("800e", `0002 01 ${field} 00 20 20010db8`);
    return decode(updateOf({ attributes: ipv6 + origin + asPath }), context);
  };
  const global = "fd000000000000000000000000000002";
  const linkLocal = "fe800000000000000000000000000002";
  const zero = "0".repeat(32);

  test.each([
    ["a global address", `10 ${global}`, "fd00::2", undefined],
    ["global and link-local", `20 ${global} ${linkLocal}`, "fd00::2", "fe80::2"],
    ["global and ::", `20 ${global} ${zero}`, "fd00::2", undefined],
    ["global and global", `20 ${global} ${global}`, "fd00::2", undefined],
    [":: and link-local", `20 ${zero} ${linkLocal}`, "fe80::2", undefined],
    ["a link-local address alone", `10 ${linkLocal}`, "fe80::2", undefined],
  ])("of IPv6 may be %s", (_, field, address, local) => {
    const [announcement] = through(field).announcements;
    expect(announcement?.nextHop.address.toString()).toBe(address);
    expect(announcement?.nextHop.linkLocal?.toString()).toBe(local);
  });

  test.each([
    ["::", zero],
    ["::1", `${"0".repeat(31)}1`],
    ["a multicast address", `ff02${"0".repeat(27)}1`],
    ["an IPv4-mapped address", `${"0".repeat(20)}ffff0a010001`],
  ])("of IPv6 is unusable if it is %s", (_, address) => {
    for (const context of [ebgp, ibgp]) expect(routesOf(through(`10 ${address}`, context))).toBe("-2001:db8::/32");
  });

  test("in NEXT_HOP is ignored when only MP_REACH_NLRI has routes, malformed or not", () => {
    const update = decode(updateOf({ attributes: `${reach} ${origin} ${asPath} 400305 0a01000100` }), ebgp);
    expect(routesOf(update)).toBe("+2001:db8::/32");
    expect(update.problems).toEqual([]);
  });
});

describe("two-octet AS numbers (RFC 6793)", () => {
  const old = session({ fourOctetAs: false });
  const merged = (path: string, as4Path: string, more = "") => {
    const attributes = `${origin} ${attribute("4002", path)} ${nextHop} ${attribute("c011", as4Path)} ${more}`;
    const update = decode(updateOf({ attributes, nlri }), { ...old, peerType: "ibgp" });
    return update.attributes;
  };
  const sequence = (...asNumbers: number[]) => ({ type: "sequence", asNumbers });

  test("AS4_PATH replaces the end of AS_PATH, and the surplus hops stay before it", () => {
    expect(merged("0203 0001 5ba0 5ba0", "0202 00011170 00011171")?.asPath).toEqual([sequence(1, 70000, 70001)]);
    expect(merged("0202 0001 0002 0202 5ba0 5ba0", "0202 00011170 00011171")?.asPath).toEqual([
      sequence(1, 2, 70000, 70001),
    ]);
    expect(merged("0201 5ba0", "0201 00011170")?.asPath).toEqual([sequence(70000)]);
  });

  test("an AS4_PATH longer than AS_PATH is ignored", () => {
    expect(merged("0201 5ba0", "0202 00011170 00011171")?.asPath).toEqual([sequence(23456)]);
  });

  test("a leading confederation segment stays in front and counts nothing", () => {
    expect(merged("0301 fde8 0202 0001 5ba0", "0201 00011170")?.asPath).toEqual([
      { type: "confed-sequence", asNumbers: [65000] },
      sequence(1, 70000),
    ]);
    expect(merged("0301 fde8 0201 5ba0", "0201 00011170 0301 00011171")?.asPath).toEqual([
      { type: "confed-sequence", asNumbers: [65000] },
      sequence(70000),
    ]);
  });

  test("merging does not make a segment of more than 255 AS numbers", () => {
    const path = merged(`02ff ${"5ba0".repeat(255)} 0201 5ba0`, `02ff ${"00011170".repeat(255)}`)?.asPath;
    expect(path?.map(({ asNumbers }) => asNumbers.length)).toEqual([1, 255]);
  });

  test("AS4_AGGREGATOR counts only for an AGGREGATOR of AS_TRANS; else both AS4 attributes are void", () => {
    const as4Aggregator = "c01208 00011170 0a000009";
    const trans = merged("0201 5ba0", "0201 00011170", `c00706 5ba0 0a000008 ${as4Aggregator}`);
    expect(trans?.aggregator?.asNumber).toBe(70000);
    expect(trans?.asPath).toEqual([sequence(70000)]);
    const real = merged("0201 5ba0", "0201 00011170", `c00706 fde9 0a000008 ${as4Aggregator}`);
    expect(real?.aggregator?.asNumber).toBe(65001);
    expect(real?.asPath).toEqual([sequence(23456)]);
    expect(merged("0201 5ba0", "0201 00011170", as4Aggregator)?.aggregator).toBeUndefined();
  });

  test("a malformed AS4_PATH is discarded wherever it stands, but an AS_SET in it withdraws", () => {
    const before = updateOf({ attributes: `c01103 020100 ${origin} 400204 0201 fde9 ${nextHop}`, nlri });
    expect(routesOf(decode(before, old))).toBe("+10.1.0.0/16");
    const set = updateOf({ attributes: `${origin} 400204 0201 5ba0 ${nextHop} c01106 0101 00011170`, nlri });
    expect(routesOf(decode(set, old))).toBe("-10.1.0.0/16");
  });

  test("from a four-octet peer the AS4 attributes are dropped unread", () => {
    const update = decode(updateOf({ attributes: `${mandatory} c01106 0201 00011170 c01201 00`, nlri }), ebgp);
    expect(update.attributes?.asPath).toEqual([sequence(65001)]);
    expect(update.problems).toEqual([]);
  });
});

describe("IPv4 routes over IPv6 (RFC 8950)", () => {
  const context = session({ ipv4OverIpv6: true });
  const read = (hex: string) => {
    const result = decodeMessage(updateOf({ attributes: hex }), context);
    if (!result.ok) return `${result.error.code}/${result.error.subcode}`;
    if (result.message.type !== "update") throw new Error("no UPDATE");
    const [announced] = result.message.announcements;
    const { address, linkLocal } = announced?.nextHop ?? {};
    return [announced?.family, announced?.nlri[0]?.prefix, address, linkLocal].filter(Boolean).join(" ");
  };
  const globalAddress = `fd${"00".repeat(14)}09`;
  const linkLocal = `fe80${"00".repeat(13)}09`;
  const withHop = (hop: string) =>
    attribute("800e", `000101 ${(hop.length / 2).toString(16).padStart(2, "0")} ${hop} 00 100a01`) + mandatory;

  test.each([
    ["an IPv4 address", "0a000009", "ipv4-unicast 10.1.0.0/16 10.0.0.9"],
    ["an IPv6 address", globalAddress, "ipv4-unicast 10.1.0.0/16 fd00::9"],
    ["a link-local address", linkLocal, "ipv4-unicast 10.1.0.0/16 fe80::9"],
    ["both", globalAddress + linkLocal, "ipv4-unicast 10.1.0.0/16 fd00::9 fe80::9"],
    ["24 octets", `${"00".repeat(8)}${globalAddress}`, "3/9"],
    ["an IPv4-mapped address, which is none to forward to", `${"00".repeat(10)}ffff0a000009`, ""],
  ])("have as next hop %s", (_, hop, wanted) => {
    expect(read(withHop(hop))).toBe(wanted);
  });
});

describe("a NOTIFICATION after an UPDATE that cannot be saved", () => {
  test.each([
    ["withdrawn routes past the end are 3/1", messageOf(2, "ffff 0000"), "3/1"],
    ["attributes past the end are 3/1", messageOf(2, "0000 ffff 00"), "3/1"],
    ["a prefix length of 33 is 3/10", updateOf({ attributes: mandatory, nlri: "21 0a01020304" }), "3/10"],
    ["a prefix cut off is 3/10", updateOf({ withdrawn: "20 0a" }), "3/10"],
    [
      "an MP_REACH_NLRI of 4 octets is 3/9 with it as data",
      updateOf({ attributes: "800e04 00020100" }),
      "3/9 800e0400020100",
    ],
    [
      "a next hop beyond its MP_REACH_NLRI is 3/9 (CVE-2023-46752)",
      updateOf({ attributes: "800e06 0002 01 ff fd00" }),
      "3/9 800e06000201fffd00",
    ],
    [
      "an IPv6 next hop for IPv4 routes is 3/9 without RFC 8950",
      updateOf({ attributes: attribute("800e", `0001 01 10 ${"fd".repeat(16)} 00 10 0a01`) }),
      `3/9 800e1800010110${"fd".repeat(16)}00100a01`,
    ],
    ["a second MP_REACH_NLRI is 3/1", updateOf({ attributes: reach + reach + mandatory }), "3/1"],
    ["a second MP_UNREACH_NLRI is 3/1", updateOf({ attributes: "800f03 000201 800f03 000201" }), "3/1"],
    ["a bad ORIGIN without routes is 3/6 (RFC 7606 §5.2)", updateOf({ attributes: "400101 07" }), "3/6 40010107"],
    ["a missing attribute length without routes is 3/1", updateOf({ attributes: "4001" }), "3/1"],
    ["an unknown well-known attribute without routes is 3/2", updateOf({ attributes: "406300" }), "3/2 406300"],
  ])("%s", (_, bytes, error) => {
    expect(errorOf(bytes)).toBe(error);
  });
});
