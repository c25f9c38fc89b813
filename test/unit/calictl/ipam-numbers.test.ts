import { expect, it } from "vitest";
import { formatCount, formatShare } from "../../../src/calictl/ipam/numbers.ts";

it.each([
  [0, "0"],
  [9, "9"],
  [65536, "65536"],
  [100_000, "1e+05"],
  [1_048_576, "1.0486e+06"],
  [2 ** 64, "1.8447e+19"],
])("prints %d addresses as calicoctl does", (count, text) => {
  expect(formatCount(count)).toBe(text);
});

it.each([
  [1, 200, "1 (0%)"],
  [3, 200, "3 (2%)"],
  [5, 200, "5 (2%)"],
  [64, 64, "64 (100%)"],
  [0, 0, "0 (0%)"],
])("rounds the share of %d in %d to the even number where two are as near", (part, whole, text) => {
  expect(formatShare(part, whole)).toBe(text);
});
