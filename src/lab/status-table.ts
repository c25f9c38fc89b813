import type { LabNodeStatus } from "./lab.ts";

/** The nodes of a lab as an aligned table. */
export function formatStatus(nodes: readonly LabNodeStatus[]): string {
  return formatColumns([
    ["NODE", "KIND", "MAIN PROCESS", "NETWORK NAMESPACE", "RUN DIRECTORY"],
    ...nodes.map((node) => [
      node.name,
      node.kind,
      formatMain(node.main),
      node.networkNamespace,
      node.kind === "bridge" ? "-" : node.runDirectory,
    ]),
  ]);
}

/** Rows of cells as lines of columns, without trailing spaces. */
export function formatColumns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("   ")
        .trimEnd(),
    )
    .join("\n");
}

function formatMain(main: LabNodeStatus["main"]): string {
  switch (main.state) {
    case "none":
      return "-";
    case "running":
      return `running, pid ${main.pid}`;
    case "exited":
      return `exited with ${main.code}`;
    case "lost":
      return "gone";
  }
}
