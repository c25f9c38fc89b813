import { formatExactJson } from "../core/exact-json.ts";

/** From the top of the object: `["spec", "communities", 0, "value"]`. */
export type FieldPath = readonly (string | number)[];

/** One wrong field of an object. */
export interface FieldProblem {
  readonly path: FieldPath;
  /** What was there; undefined if nothing was. */
  readonly value: unknown;
  /** What would be right, as the rest of a sentence about the field: `must be from 20 to 32`. */
  readonly reason: string;
}

/** `IPPool.spec.communities[0].value` */
function formatPath(kind: string, path: FieldPath): string {
  return path.reduce<string>((text, step) => text + (typeof step === "number" ? `[${step}]` : `.${step}`), kind);
}

/** `IPPool.spec.blockSize = '19' (must be from 20 to 32 for an IPv4 pool)` */
export function formatProblem(kind: string, problem: FieldProblem): string {
  return `${formatPath(kind, problem.path)} = '${formatValue(problem.value)}' (${problem.reason})`;
}

export function formatProblems(kind: string, problems: readonly FieldProblem[]): string {
  const lines = problems.map((problem) => formatProblem(kind, problem));
  if (lines.length === 1) return `error with field ${lines[0]}`;
  return ["error with the following fields:", ...lines.map((line) => `-  ${line}`)].join("\n");
}

function formatValue(value: unknown): string {
  if (value === undefined) return "";
  const text = typeof value === "string" ? value : formatExactJson(value, 0);
  return text.length > 120 ? `${text.slice(0, 120)}…` : text;
}
