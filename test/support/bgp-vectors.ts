import { readFileSync } from "node:fs";

/** One case of test/vectors/bgp-vectors.json, whose head says what the sessions are. */
export interface Vector {
  readonly case: string;
  readonly session: "ebgp" | "ibgp";
  readonly kind: "update" | "raw" | "open";
  readonly expect: string;
  readonly ref?: string;
  readonly prefix?: string;
  readonly hex: string;
}

export const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL("../vectors/bgp-vectors.json", import.meta.url), "utf8"),
).cases;

/** The names in an expectation, e.g. "RESET 3/10 or 3/1" -> RESET 3/10, RESET 3/1. */
export function allowedOutcomes(expectation: string): readonly string[] {
  const resets = (expectation.match(/\d\/(\d+|x)/g) ?? []).map((codes) => `RESET ${codes}`);
  const words = expectation.replace(/never a reset|no NOTIFICATION/, "").match(/\b[A-Z]+(-[A-Z]+)?\b/g) ?? [];
  return [...resets, ...words.filter((word) => word !== "RESET")];
}
