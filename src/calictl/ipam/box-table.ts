export interface BoxColumn<Row> {
  readonly title: string;
  readonly value: (row: Row) => string;
  readonly align?: "right";
}

/** A table with a frame, as calicoctl prints it for IPAM: scripts cut it at the bars. */
export function formatBoxTable<Row>(columns: readonly BoxColumn<Row>[], rows: readonly Row[]): string {
  const cells = rows.map((row) => columns.map((column) => column.value(row)));
  const widths = columns.map(({ title }, index) =>
    Math.max(title.length, ...cells.map((line) => line[index]?.length ?? 0)),
  );
  const line = (texts: readonly string[]) => `| ${texts.join(" | ")} |`;
  const frame = `+${widths.map((width) => "-".repeat(width + 2)).join("+")}+`;
  const padded = (text: string, index: number) => {
    const width = widths[index] ?? 0;
    return columns[index]?.align === "right" ? text.padStart(width) : text.padEnd(width);
  };
  const header = line(columns.map(({ title }, index) => title.padEnd(widths[index] ?? 0)));
  return [frame, header, frame, ...cells.map((texts) => line(texts.map(padded))), frame].join("\n");
}
