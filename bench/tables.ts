import { limits, ratio, type SummaryTable } from "./results.ts";
import type { Column, Scenario } from "./scenarios.ts";

/** A table as rows of cells, the first of which is the head. */
export type Cells = readonly (readonly string[])[];

/** The result of one scenario and size for people. */
export function tableOf(scenario: Scenario, table: SummaryTable): Cells {
  const columns = scenario.columns.filter(({ key }) => table.rows.some(({ values }) => values[key] !== undefined));
  const head = ["", ...columns.map(({ label, unit }) => `${label}, ${unit}`)];
  const rows = table.rows.map(({ label, values, error }) =>
    Object.keys(values).length === 0 && error !== undefined
      ? [label, `failed: ${error}`, ...columns.slice(1).map(() => "")]
      : [label, ...columns.map((column) => cell(values[column.key], column))],
  );
  return [head, ...rows, ...ratioRows(scenario, table, columns)];
}

function ratioRows(scenario: Scenario, table: SummaryTable, columns: readonly Column[]): string[][] {
  const row = (label: string, against: string): string[][] => {
    const cells = columns.map(({ key }) => {
      const value = scenario.compared.includes(key) ? ratio(table, key, against) : undefined;
      return value === undefined ? "" : `${value.toFixed(2)} x`;
    });
    return cells.some((text) => text !== "") ? [[label, ...cells]] : [];
  };
  const daemonRows = table.rows.filter(({ contender }) => contender !== "calibird" && !limits.has(contender));
  const hasOthersThanBird = daemonRows.some(({ contender }) => contender !== "bird");
  const limitRows = table.rows.filter(({ contender }) => limits.has(contender));
  return [
    ...row("calibird / best daemon", "daemons"),
    ...(hasOthersThanBird ? row("calibird / BIRD", "bird") : []),
    ...limitRows.flatMap(({ contender, label }) => row(`calibird / ${label.replace("limit: ", "")}`, contender)),
  ];
}

function cell(value: number | undefined, { unit }: Column): string {
  if (value === undefined) return "-";
  if (unit === "packets" || unit === "/s" || unit === "octets" || unit === "MiB") return value.toFixed(0);
  // Three digits that mean something.
  return value >= 100
    ? value.toFixed(0)
    : value >= 10
      ? value.toFixed(1)
      : value >= 1
        ? value.toFixed(2)
        : value.toFixed(3);
}

/** For a terminal. */
export function renderText(cells: Cells): string {
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.filter((row) => !isFailure(row)).map((row) => (row[column] ?? "").length)),
  );
  return cells
    .map((row) =>
      row
        .map((text, column) => (column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function isFailure(row: readonly string[]): boolean {
  return row[1]?.startsWith("failed: ") === true;
}

/** For a page in Markdown. */
export function renderMarkdown(cells: Cells): string {
  const [head = [], ...rows] = cells;
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  return [line(head), `|---${"|--:".repeat(head.length - 1)}|`, ...rows.map(line)].join("\n");
}
