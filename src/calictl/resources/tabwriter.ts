const NARROWEST = 5;
const PADDING = 3;

/**
 * A table as Go's text/tabwriter makes it for calicoctl: left-aligned, every cell but for an empty line's end filled up to its
 * column, the last one, too, and an empty line at the end.
 */
export function formatTabwriter(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = columnWidths(titles, rows);
  return `${[titles, ...rows].map((cells) => formatCells(cells, widths)).join("\n")}\n\n`;
}

/** How wide each column has to be, its padding included. */
export function columnWidths(titles: readonly string[], rows: readonly (readonly string[])[]): number[] {
  return titles.map((title, index) =>
    Math.max(NARROWEST, PADDING + Math.max(title.length, ...rows.map((cells) => cells[index]?.length ?? 0))),
  );
}

/** One line of a table. */
export function formatCells(cells: readonly string[], widths: readonly number[]): string {
  return cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join("");
}
