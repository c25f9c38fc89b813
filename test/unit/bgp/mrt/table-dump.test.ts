import { describe, expect, test } from "vitest";
import type { MonitorSource } from "../../../../src/bgp/monitor.ts";
import { dumpTables } from "../../../../src/bgp/mrt/table-dump.ts";
import { addressOf, attributesOf, pathOf, prefixOf } from "../../../support/bgp.ts";

const now = { wallMs: 1_700_000_000_000 };
const collector = {
  identifier: 0x0a000001,
  addresses: [addressOf("10.0.0.1"), addressOf("fd00::1")],
  asNumber: 64512,
  viewName: "n1",
} as const;

/** A speaker with nothing but these routes of its own. */
function ownRoutes(prefixes: Iterable<string>): Pick<MonitorSource, "sessions" | "adjRibIn" | "locRib"> {
  const changes = [...prefixes].map((text) => {
    const prefix = prefixOf(text);
    return { prefix, paths: [pathOf({ kind: "local" }, attributesOf(), { prefix, nextHop: undefined })] };
  });
  return { sessions: () => [], adjRibIn: () => [], locRib: () => changes };
}

const kindOf = (record: Uint8Array): string => `${record[5]}/${record[7]}`;

describe("a table dump", () => {
  test("has our own routes of both families, with our address of the family as next hop", () => {
    const records = [...dumpTables(ownRoutes(["10.1.0.0/26", "fd00:1::/122"]), collector, now)];
    expect(records.map(kindOf)).toEqual(["13/1", "13/2", "13/4"]);
    const hex = records.map((record) => Buffer.from(record).toString("hex"));
    expect(hex[1]).toContain("4003040a000001");
    expect(hex[2]).toContain(`800e1110${Buffer.from(addressOf("fd00::1").toBytes()).toString("hex")}`);
  });

  test("lets others work while it gathers a large table", () => {
    const prefixes = Array.from({ length: 5_000 }, (_, index) => `10.${index >> 8}.${index & 255}.0/26`);
    const rest = dumpTables(ownRoutes(prefixes), collector, now);
    rest.next();
    const breaths = [1, 2, 3, 4, 5].map(() => rest.next().value?.length);
    expect(breaths).toEqual([0, 0, 0, 0, 0]);
    expect([...rest]).toHaveLength(prefixes.length);
  });
});
