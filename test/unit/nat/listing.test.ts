import { describe, expect, it } from "vitest";
import { diffTable } from "../../../src/nat/diff.ts";
import { readTable, readTables } from "../../../src/nat/listing.ts";
import { natTables } from "../../../src/nat/ruleset.ts";
import { type NatTable, ruleTag } from "../../../src/nat/table.ts";
import { Prefix } from "../../../src/net/prefix.ts";

const pools = ["10.244.0.0/16", "10.250.0.0/23", "10.250.2.0/24"].map((cidr) => ({
  cidr: Prefix.parse(cidr),
  natOutgoing: true,
}));

function wantedTable(): NatTable {
  const [table] = natTables({
    pools,
    nodeAddresses: [],
    tunnelDevices: [],
    options: { natOutgoingExclusions: "IPPoolsOnly", protectEncapsulation: false, vxlanPort: 4789, udpPort: 8285 },
  });
  if (table === undefined) throw new Error("there is no table");
  return table;
}

const elements = [{ prefix: { addr: "10.244.0.0", len: 16 } }, { range: ["10.250.0.0", "10.250.2.255"] }];

/** What nft 1.0.6 lists of the wanted table; each part can be another one. */
function listing({
  masqueraded = elements as unknown,
  setExtras = {},
  priority = 110,
  comment = undefined as string | undefined,
  more = [] as unknown[],
} = {}): string {
  const [rule] = wantedTable().chains[0]?.rules ?? [];
  const set = (name: string, properties: object) => ({
    set: { family: "ip", name, table: "calibird", type: "ipv4_addr", handle: 1, flags: ["interval"], ...properties },
  });
  return JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6", release_name: "Lester Gooch #5", json_schema_version: 1 } },
      { table: { family: "ip", name: "calibird", handle: 2 } },
      set("masq-ipam-pools", { elem: masqueraded, ...setExtras }),
      set("all-ipam-pools", { elem: elements }),
      set("all-hosts-net", {}),
      {
        chain: {
          family: "ip",
          table: "calibird",
          name: "nat-postrouting",
          handle: 3,
          type: "nat",
          hook: "postrouting",
          prio: priority,
          policy: "accept",
        },
      },
      {
        rule: {
          family: "ip",
          table: "calibird",
          chain: "nat-postrouting",
          handle: 4,
          comment: comment ?? (rule && ruleTag(rule)),
          // In the words of some other version.
          expr: [{ masquerade: { flags: ["fully-random"] } }],
        },
      },
      ...more,
    ],
  });
}

const verbs = (output: string): string[] =>
  diffTable(readTable(output), wantedTable()).map((command) => {
    const [verb = "", object = {}] = Object.entries(command)[0] ?? [];
    return `${verb} ${Object.keys(object)[0]}`;
  });

describe("a table that nft lists", () => {
  it("is recognised as the one that was written, in whatever words its rules are listed", () => {
    expect(verbs(listing())).toEqual([]);
  });

  it("is recognised with its elements cut otherwise", () => {
    const cut = [
      { prefix: { addr: "10.250.0.0", len: 23 } },
      { prefix: { addr: "10.250.2.0", len: 24 } },
      { prefix: { addr: "10.244.0.0", len: 16 } },
    ];
    expect(verbs(listing({ masqueraded: cut }))).toEqual([]);
  });

  it("gets back an element that somebody deleted, and loses one that somebody added", () => {
    expect(verbs(listing({ masqueraded: elements.slice(1) }))).toEqual(["add element"]);
    expect(verbs(listing({ masqueraded: [...elements, "192.0.2.7"] }))).toEqual(["delete element"]);
  });

  it("gets its rules anew if one is another one or one too many", () => {
    expect(verbs(listing({ comment: "natOutgoing [000000000000]" }))).toEqual(["flush chain", "add rule"]);
    const rule = { family: "ip", table: "calibird", chain: "nat-postrouting", handle: 9, expr: [{ accept: null }] };
    expect(verbs(listing({ more: [{ rule }] }))).toEqual(["flush chain", "add rule"]);
  });

  it.each([
    ["the priority is another one", { priority: 100 }],
    ["a set forgets its elements after a while", { setExtras: { timeout: 60 } }],
    ["a set has flags that we do not give", { setExtras: { flags: ["interval", "timeout"] } }],
    ["there is a chain that is not ours", { more: [{ chain: { family: "ip", table: "calibird", name: "theirs" } }] }],
    ["there is something unknown", { more: [{ counter: { family: "ip", table: "calibird", name: "count" } }] }],
    ["a set has what is no address", { masqueraded: [...elements, { elem: { val: "10.0.0.1", timeout: 3 } }] }],
  ])("is replaced if %s", (_what, change) => {
    expect(verbs(listing(change)).slice(0, 2)).toEqual(["delete table", "add table"]);
  });

  it("is only ours if it has our name, in either family", () => {
    const tables = [
      { family: "ip", name: "nat" },
      { family: "ip6", name: "calibird" },
      { family: "inet", name: "calibird" },
    ].map((table) => ({ table }));
    expect(readTables(JSON.stringify({ nftables: [{ metainfo: {} }, ...tables] }))).toEqual(["ip6"]);
  });

  it.each(["", "[]", "{}", '{"nftables":null}'])("that cannot be read is an error: %s", (output) => {
    expect(() => readTables(output)).toThrow(SyntaxError);
  });
});
