import { LabError } from "../errors.ts";

/** One mistake of a topology file, or something in it that has no effect here. */
export interface TopologyRemark {
  /** Counts from 1; 0 if the remark concerns the file as a whole. */
  readonly line: number;
  /** Where in the document: `topology.nodes.n1.binds[0]`; empty for the document itself. */
  readonly path: string;
  /** Names the value and what would be right. */
  readonly message: string;
}

/** `FILE:LINE: PATH: MESSAGE`, as compilers print it. */
export function formatRemark(fileName: string, remark: TopologyRemark): string {
  const place = remark.line === 0 ? fileName : `${fileName}:${remark.line}`;
  return remark.path === "" ? `${place}: ${remark.message}` : `${place}: ${remark.path}: ${remark.message}`;
}

/** A topology file with mistakes. The message has one line for each of them. */
export class TopologyError extends LabError {
  readonly problems: readonly TopologyRemark[];

  constructor(fileName: string, problems: readonly TopologyRemark[]) {
    const ordered = [...problems].sort((one, other) => one.line - other.line);
    super("LAB_TOPOLOGY_INVALID", ordered.map((problem) => formatRemark(fileName, problem)).join("\n"), { fileName });
    this.problems = ordered;
  }
}
