import { describe, expect, it } from "vitest";
import { formatAge, formatTable } from "../../../src/calictl/table.ts";

describe("formatTable", () => {
  const columns = [
    { title: "NAME", value: (row: { name: string; count: number }) => row.name },
    { title: "N", value: (row: { name: string; count: number }) => String(row.count), align: "right" as const },
    { title: "NOTE", value: () => "" },
  ];

  it("aligns columns to their widest cell and leaves no trailing spaces", () => {
    const rows = [
      { name: "a", count: 1 },
      { name: "longer", count: 100 },
    ];
    expect(formatTable(columns, rows, false)).toBe(
      ["NAME       N   NOTE", "a          1   -", "longer   100   -"].join("\n"),
    );
  });

  it("colours a cell without changing its width", () => {
    const styled = [
      { ...columns[0], title: "NAME", value: (row: { name: string }) => row.name, style: () => "red" as const },
    ];
    const text = formatTable(styled, [{ name: "a" }], true);
    expect(text).toContain("\u001b[31ma   \u001b[39m");
  });
});

describe("formatAge", () => {
  it.each([
    [0, "0s"],
    [59_999, "59s"],
    [60_000, "1m"],
    [3_600_000, "1h"],
    [172_800_000, "2d"],
    [-5000, "0s"],
  ])("prints %d ms as %s", (elapsed, text) => {
    const since = Date.parse("2026-01-02T03:04:05Z");
    expect(formatAge("2026-01-02T03:04:05Z", since + elapsed)).toBe(text);
  });
});
