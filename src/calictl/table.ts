import { styleText } from "node:util";

export interface Column<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: "left" | "right";
  /** Colour of one cell; ignored where colour is off. */
  readonly style?: (row: Row) => Style | undefined;
}

export type Style = "green" | "yellow" | "red" | "dim";

const gap = "   ";

/** An aligned table: a header line, then a line per row, no trailing spaces. Empty cells print as `-`. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], colour: boolean): string {
  const cells = rows.map((row) => columns.map((column) => column.value(row) || "-"));
  const widths = columns.map((column, index) =>
    Math.max(column.title.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const pad = (text: string, index: number) => {
    const width = widths[index] ?? 0;
    return columns[index]?.align === "right" ? text.padStart(width) : text.padEnd(width);
  };
  const header = columns
    .map((column, index) => pad(column.title, index))
    .join(gap)
    .trimEnd();
  const lines = rows.map((row, rowIndex) => {
    const line = columns.map((column, index) => {
      const text = pad(cells[rowIndex]?.[index] ?? "", index);
      const style = colour ? column.style?.(row) : undefined;
      return style === undefined ? text : paint(style, text);
    });
    return line.join(gap).trimEnd();
  });
  return [colour ? paint("dim", header) : header, ...lines].join("\n");
}

/** Colours a text for a terminal, whatever stdout is: the caller has decided. */
export function paint(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false });
}

/** "3s", "12m", "4h", "9d": how long ago, one unit, rounded down. */
export function formatAge(sinceRfc3339: string, nowMs: number): string {
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(sinceRfc3339)) / 1000));
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3600)}h` : `${Math.floor(seconds / 86_400)}d`;
}
