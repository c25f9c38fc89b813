import { assertNever } from "../core/errors.ts";
import type { Compare, KeyValue } from "./datastore.ts";

/** True if the condition holds for what its key has now; undefined is a key that does not exist. */
export function holds(compare: Compare, item: KeyValue | undefined): boolean {
  const actual = item?.[compare.target] ?? 0n;
  switch (compare.result) {
    case "equal":
      return actual === compare.value;
    case "not-equal":
      return actual !== compare.value;
    case "greater":
      return actual > compare.value;
    case "less":
      return actual < compare.value;
    default:
      return assertNever(compare.result, "compare result");
  }
}
