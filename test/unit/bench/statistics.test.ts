import { describe, expect, it } from "vitest";
import { median, medians } from "../../../bench/statistics.ts";

describe("the median", () => {
  it("is the middle value, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
  });

  it("of an even number of values is the mean of the two in the middle", () => {
    expect(median([1, 2, 4, 100])).toBe(3);
  });

  it("of nothing is nothing", () => {
    expect(median([])).toBeUndefined();
  });

  it("of objects is taken member by member, over those that have the member", () => {
    expect(medians([{ a: 1, b: 10 }, { a: 3 }, { a: 2, b: 20 }])).toEqual({ a: 2, b: 15 });
  });
});
