import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { attributeRules } from "../../../../src/bgp/packet/attribute-table.ts";
import { decodeMessage } from "../../../../src/bgp/packet/decode.ts";
import { attribute, fromHex, session, updateOf } from "./sessions.ts";

const origin = "400101 00";
const asPath = "400206 0201 0000fde9";
const nextHop = "400304 0a010001";
const nlri = "100a01";

type Outcome = "accepted" | "discarded" | "withdrawn";

/** One malformed attribute: its hex, and what it does to the route on eBGP and iBGP. */
const errors: readonly (readonly [name: string, hex: string, ebgp: Outcome, ibgp: Outcome])[] = [
  ["ORIGIN of two octets", attribute("4001", "0000"), "withdrawn", "withdrawn"],
  ["ORIGIN of value 3", attribute("4001", "03"), "withdrawn", "withdrawn"],
  ["ORIGIN marked optional", attribute("c001", "00"), "withdrawn", "withdrawn"],
  ["ORIGIN marked partial", attribute("6001", "00"), "accepted", "accepted"],
  ["AS_PATH of an unknown segment type", attribute("4002", "0501 0000fde9"), "withdrawn", "withdrawn"],
  ["AS_PATH with an empty segment", attribute("4002", "0200"), "withdrawn", "withdrawn"],
  ["AS_PATH with a segment cut off", attribute("4002", "0202 0000fde9"), "withdrawn", "withdrawn"],
  ["AS_PATH with an octet left over", attribute("4002", "0201 0000fde9 02"), "withdrawn", "withdrawn"],
  ["AS_PATH with AS 0", attribute("4002", "0201 00000000"), "withdrawn", "withdrawn"],
  ["AS_PATH with an AS_SET", attribute("4002", "0101 0000fde9"), "withdrawn", "withdrawn"],
  ["AS_PATH with an AS_CONFED_SET", attribute("4002", "0401 0000fde9"), "withdrawn", "withdrawn"],
  ["AS_PATH with a confederation segment", attribute("4002", "0301 0000fde9"), "withdrawn", "accepted"],
  ["NEXT_HOP of 16 octets", attribute("4003", "00".repeat(16)), "withdrawn", "withdrawn"],
  ["NEXT_HOP 0.0.0.1", attribute("4003", "00000001"), "withdrawn", "withdrawn"],
  ["NEXT_HOP 127.0.0.1", attribute("4003", "7f000001"), "withdrawn", "withdrawn"],
  ["NEXT_HOP 224.0.0.1", attribute("4003", "e0000001"), "withdrawn", "withdrawn"],
  ["MED of three octets", attribute("8004", "000000"), "withdrawn", "withdrawn"],
  ["MED marked transitive", attribute("c004", "00000000"), "withdrawn", "withdrawn"],
  ["LOCAL_PREF of three octets", attribute("4005", "000000"), "accepted", "withdrawn"],
  ["ATOMIC_AGGREGATE of one octet", attribute("4006", "00"), "discarded", "discarded"],
  ["AGGREGATOR of six octets from a four-octet peer", attribute("c007", "fde9 0a000001"), "discarded", "discarded"],
  ["AGGREGATOR of AS 0", attribute("c007", "00000000 0a000001"), "discarded", "discarded"],
  ["COMMUNITIES without a community", attribute("c008", ""), "withdrawn", "withdrawn"],
  ["COMMUNITIES of six octets", attribute("c008", "000000000000"), "withdrawn", "withdrawn"],
  ["ORIGINATOR_ID of three octets", attribute("8009", "000000"), "accepted", "withdrawn"],
  ["CLUSTER_LIST without a cluster", attribute("800a", ""), "accepted", "withdrawn"],
  ["CLUSTER_LIST of five octets", attribute("800a", "0000000000"), "accepted", "withdrawn"],
  ["EXTENDED COMMUNITIES of four octets", attribute("c010", "00000000"), "withdrawn", "withdrawn"],
  ["LARGE_COMMUNITY of 13 octets", attribute("c020", "00".repeat(13)), "withdrawn", "withdrawn"],
  ["IPv6 extended community of 21 octets", attribute("c019", "00".repeat(21)), "withdrawn", "withdrawn"],
  ["OTC of three octets", attribute("c023", "000000"), "withdrawn", "withdrawn"],
  ["AIGP of two octets (CVE-2023-41359)", attribute("801a", "0100"), "discarded", "discarded"],
  ["AIGP with a first TLV of the wrong length", attribute("801a", "010004 00"), "discarded", "discarded"],
  ["AIGP with a TLV cut off", attribute("801a", "0200ff 00"), "discarded", "discarded"],
  ["Prefix-SID marked non-transitive", attribute("8028", "0100070000000000aabb"), "withdrawn", "withdrawn"],
  ["BGP-LS with a TLV cut off", attribute("801d", "040000ff 00"), "discarded", "discarded"],
  ["Prefix-SID with a TLV cut off (CVE-2023-31490)", attribute("c028", "0100ff000000"), "discarded", "discarded"],
  ["Prefix-SID with a short label index", attribute("c028", "010003000000"), "discarded", "discarded"],
  ["tunnel TLV beyond the attribute (CVE-2024-44070)", attribute("c017", "0007000401ff"), "discarded", "discarded"],
  ["tunnel sub-TLV beyond its tunnel", attribute("c017", "0007000201ff"), "discarded", "discarded"],
  [
    "tunnel sub-TLV with a long length beyond its tunnel",
    attribute("c017", "0007000380ff00"),
    "discarded",
    "discarded",
  ],
  ["an unknown well-known attribute", attribute("4063", "00"), "withdrawn", "withdrawn"],
  ["an unknown optional non-transitive attribute", attribute("8063", "00"), "accepted", "accepted"],
];

function outcomeOf(attributes: string, peerType: "ebgp" | "ibgp"): Outcome | "other" {
  const result = decodeMessage(updateOf({ attributes, nlri }), session({ peerType }));
  if (!result.ok || result.message.type !== "update") return "other";
  const { announcements, withdrawals, problems } = result.message;
  if (withdrawals.length === 1 && announcements.length === 0) return problems.length > 0 ? "withdrawn" : "other";
  if (announcements.length !== 1 || withdrawals.length > 0) return "other";
  return problems.some(({ outcome }) => outcome === "attribute-discard") ? "discarded" : "accepted";
}

describe("RFC 7606, wherever the malformed attribute stands", () => {
  test.each(errors)("%s", (_, bad, ebgp, ibgp) => {
    const code = bad.slice(2, 4);
    const good = [origin, asPath, nextHop].filter((hex) => hex.slice(2, 4) !== code);
    for (let position = 0; position <= good.length; position++) {
      const attributes = good.toSpliced(position, 0, bad).join("");
      expect([outcomeOf(attributes, "ebgp"), outcomeOf(attributes, "ibgp")]).toEqual([ebgp, ibgp]);
    }
  });

  test("a lesser error does not hide a greater one, nor the other way round", () => {
    const discard = attribute("4006", "00");
    const withdraw = attribute("8004", "00");
    const base = origin + asPath + nextHop;
    expect(outcomeOf(discard + withdraw + base, "ebgp")).toBe("withdrawn");
    expect(outcomeOf(withdraw + discard + base, "ebgp")).toBe("withdrawn");
    const result = decodeMessage(
      updateOf({ attributes: withdraw + base + attribute("800e", "0002"), nlri }),
      session(),
    );
    expect(result).toMatchObject({ ok: false, error: { code: 3, subcode: 9 } });
  });

  test("the routes of MP_REACH_NLRI and MP_UNREACH_NLRI count before and after an error", () => {
    const reach = attribute("800e", `0002 01 10 fd${"00".repeat(14)}02 00 20 20010db8`);
    const unreach = attribute("800f", "0002 01 20 20010db9");
    for (const attributes of [
      [reach, unreach, attribute("8004", "00"), origin, asPath],
      [attribute("8004", "00"), origin, asPath, reach, unreach],
      [origin, attribute("c001", "00"), reach, unreach],
    ]) {
      const result = decodeMessage(updateOf({ attributes: attributes.join("") }), session());
      if (!result.ok || result.message.type !== "update") throw new Error("no UPDATE");
      const withdrawn = result.message.withdrawals.flatMap((part) => part.nlri.map((item) => item.prefix.toString()));
      expect(withdrawn).toEqual(["2001:db9::/32", "2001:db8::/32"]);
    }
  });

  test("a route of MP_REACH_NLRI with wrong flags is withdrawn, since its octets can be read", () => {
    const reach = attribute("c00e", `0002 01 10 fd${"00".repeat(14)}02 00 20 20010db8`);
    const result = decodeMessage(updateOf({ attributes: reach + origin + asPath }), session());
    expect(result).toMatchObject({
      ok: true,
      message: { announcements: [], withdrawals: [{ family: "ipv6-unicast" }] },
    });
  });

  test("an error beside routes of a family not agreed on costs nothing (CVE-2026-42285)", () => {
    const flowspec = attribute("800e", "0001 85 00 00 03010203");
    const result = decodeMessage(updateOf({ attributes: flowspec + attribute("8004", "00") }), session());
    expect(result).toMatchObject({ ok: true, message: { announcements: [], withdrawals: [] } });
  });

  test("an error in MP_UNREACH_NLRI alone does not end the session", () => {
    const result = decodeMessage(updateOf({ attributes: attribute("c00f", "0002 01 20 20010db9") }), session());
    expect(result).toMatchObject({ ok: true, message: { withdrawals: [{ family: "ipv6-unicast" }] } });
  });

  test("of a repeated attribute the first counts, and the repetition is not even read", () => {
    for (const [first, second] of [
      [attribute("4001", "02"), attribute("4001", "00ff")],
      [attribute("4001", "02"), attribute("c001", "07")],
    ]) {
      const attributes = `${first}${second}${asPath}${nextHop}`;
      const result = decodeMessage(updateOf({ attributes, nlri }), session());
      expect(result).toMatchObject({ ok: true, message: { attributes: { origin: 2 }, problems: [{ attribute: 1 }] } });
    }
  });

  test("attributes that reach past their end withdraw the routes of the NLRI field, which still has its place", () => {
    for (const tail of ["40", "4001", "400105 00", "500100", "c0fe ff 00"])
      expect(outcomeOf(origin + asPath + nextHop + tail, "ebgp")).toBe("withdrawn");
  });

  test("routes without any attribute are withdrawn (CVE-2023-41358)", () => {
    expect(outcomeOf("", "ebgp")).toBe("withdrawn");
  });

  test("opaque transitive attributes that are well formed are passed on with Partial set", () => {
    const opaque = [
      attribute("c017", "0007 0008 01 02 aabb 80 0001 cc"),
      attribute("c019", "00".repeat(20)),
      attribute("cf28", "01 0007 00000000000001"),
      attribute("c0fe", "00".repeat(300)),
    ];
    const attributes = origin + asPath + nextHop + opaque.toReversed().join("");
    const result = decodeMessage(updateOf({ attributes, nlri }), session());
    if (!result.ok || result.message.type !== "update") throw new Error("no UPDATE");
    expect(result.message.problems).toEqual([]);
    expect(result.message.attributes?.unknown.map(({ code, flags }) => [code, flags])).toEqual(
      [23, 25, 40, 254].map((code) => [code, 0xe0]),
    );
  });
});

describe("messages that have crashed another speaker, on a session with ADD-PATH", () => {
  test.each([
    ["CVE-2023-46753", "003c0200000014ff1f001000040146464646460004464646464646664646f50d05800100010200ffff000000"],
    ["CVE-2023-47235", "002b0200000003c0ff00010100eb00ac100b0b001ad908ac100b0b"],
  ])("%s withdraws its routes", (_, hex) => {
    const addPath = session({ addPathReceive: ["ipv4-unicast"] });
    const result = decodeMessage(fromHex("ff".repeat(16) + hex), addPath);
    if (!result.ok || result.message.type !== "update") throw new Error("no UPDATE");
    expect(result.message.announcements).toEqual([]);
    expect(result.message.withdrawals.flatMap(({ nlri: routes }) => routes).length).toBe(3);
  });
});

describe("AIGP and BGP-LS", () => {
  test("go no further than here, however well formed", () => {
    const both = attribute("801a", "01000b 0000000000000064") + attribute("801d", "0400 0001 aa");
    const result = decodeMessage(updateOf({ attributes: origin + asPath + nextHop + both, nlri }), session());
    expect(result).toMatchObject({ ok: true, message: { problems: [], attributes: { unknown: [] } } });
  });
});

describe("the attribute table", () => {
  test("stands in docs/bgp-attributes.md row by row", () => {
    const document = readFileSync(new URL("../../../../docs/bgp-attributes.md", import.meta.url), "utf8");
    const rows = document.split("\n").filter((line) => /^\| \d+ /.test(line));
    expect(rows).toEqual(
      attributeRules.map(
        ({ code, name, category, onError, unread }) =>
          `| ${code} | ${name} | ${category} | ${onError} | ${unread ?? "-"} |`,
      ),
    );
  });

  test("has one row per code, ascending", () => {
    const codes = attributeRules.map(({ code }) => code);
    expect(codes).toEqual([...new Set(codes)].toSorted((left, right) => left - right));
  });
});
