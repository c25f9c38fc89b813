import { describe, expect, it } from "vitest";
import { readValues } from "../../../bench/bench-program.ts";
import { type Run, ratio, type SummaryTable, summarize } from "../../../bench/results.ts";
import type { Scenario } from "../../../bench/scenarios.ts";
import { renderText, tableOf } from "../../../bench/tables.ts";

const scenario: Scenario = {
  name: "sample",
  about: "",
  sizeName: "routes",
  sizes: [10],
  product: "agent",
  parts: [],
  columns: [
    { key: "done_s", label: "done", unit: "s" },
    { key: "peak_mib", label: "memory", unit: "MiB" },
  ],
  compared: ["done_s"],
};

function run(contender: string, values: Run["values"], others: Partial<Run> = {}): Run {
  return { scenario: "sample", size: 10, contender, label: contender, round: 1, busy: 0, values, ...others };
}

const runs = [
  run("kernel-writer", { done_s: 0.5 }),
  run("calibird", { done_s: 1, peak_mib: 100.4 }),
  run("bird", { done_s: 2, peak_mib: 20 }),
  run("frr", { done_s: 8 }),
  run("calibird", { done_s: 3, peak_mib: 110.4 }, { round: 2 }),
  run("bird", { done_s: 6 }, { round: 2 }),
];

function only(tables: readonly SummaryTable[]): SummaryTable {
  const [table] = tables;
  if (table === undefined || tables.length > 1) throw new Error("not one table");
  return table;
}

describe("results", () => {
  it("are one table per scenario and size, with the medians of each contender", () => {
    const tables = summarize([...runs, run("calibird", { done_s: 9 }, { size: 20 })]);
    expect(tables.map(({ size, rows }) => [size, rows.length])).toEqual([
      [10, 4],
      [20, 1],
    ]);
    expect(tables[0]?.rows[1]).toMatchObject({
      contender: "calibird",
      rounds: 2,
      values: { done_s: 2, peak_mib: 105.4 },
    });
  });

  it("compare calibird with the best of the daemons, which the limits are not", () => {
    expect(ratio(only(summarize(runs)), "done_s", "daemons")).toBe(0.5);
    expect(ratio(only(summarize(runs)), "done_s", "kernel-writer")).toBe(4);
  });

  it("compare nothing where one of the two has no value", () => {
    expect(ratio(only(summarize(runs)), "other_s", "daemons")).toBeUndefined();
    expect(ratio(only(summarize([run("bird", { done_s: 1 })])), "done_s", "daemons")).toBeUndefined();
  });

  it("of a failed run do not count, and the reason is kept", () => {
    const table = only(summarize([run("bird", {}, { error: "ended" }), run("bird", { done_s: 2 }, { round: 2 })]));
    expect(table.rows).toMatchObject([{ values: { done_s: 2 }, error: "ended" }]);
  });
});

describe("a table for people", () => {
  it("has a row for each contender, and what calibird is to the best daemon and to the limit", () => {
    expect(renderText(tableOf(scenario, only(summarize(runs))))).toBe(
      [
        "                          done, s  memory, MiB",
        "kernel-writer               0.500            -",
        "calibird                     2.00          105",
        "bird                         4.00           20",
        "frr                          8.00            -",
        "calibird / best daemon     0.50 x",
        "calibird / BIRD            0.50 x",
        "calibird / kernel-writer   4.00 x",
      ].join("\n"),
    );
  });

  it("says why a contender has no values", () => {
    const table = only(summarize([run("calibird", { done_s: 1 }), run("bird", {}, { error: "it ended" })]));
    expect(renderText(tableOf(scenario, table))).toContain("failed: it ended");
  });
});

describe("what the neighbours report", () => {
  it("is read as numbers", () => {
    expect(readValues('{"scenario":"x","done_s":1.5,"peak_mib":2}')).toEqual({ done_s: 1.5, peak_mib: 2 });
  });

  it("is refused if it is no object", () => {
    expect(() => readValues("[1")).toThrow();
  });
});
