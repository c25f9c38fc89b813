import { describe, expect, it } from "vitest";
import { asPathLength, countAs, neighborAs, prependAs, withoutConfederation } from "../../../src/bgp/as-path.ts";
import type { AsPath } from "../../../src/bgp/packet/attributes.ts";

const sequence = (...asNumbers: number[]): AsPath[number] => ({ type: "sequence", asNumbers });
const set = (...asNumbers: number[]): AsPath[number] => ({ type: "set", asNumbers });
const confederation = (...asNumbers: number[]): AsPath[number] => ({ type: "confed-sequence", asNumbers });

describe("AS_PATH", () => {
  it("counts a set as one hop and confederation segments as none", () => {
    expect(asPathLength([])).toBe(0);
    expect(asPathLength([confederation(1, 2), sequence(3, 4, 4), set(5, 6)])).toBe(4);
  });

  it("finds the neighbour AS behind confederation segments, and none in a set or an empty path", () => {
    expect(neighborAs([confederation(9), sequence(3, 4)])).toBe(3);
    expect(neighborAs([set(3)])).toBe(0);
    expect(neighborAs([])).toBe(0);
  });

  it("counts every occurrence of an AS", () => {
    expect(countAs([sequence(1, 2, 1), set(1, 3), confederation(1)], 1)).toBe(4);
  });

  it("puts AS numbers in front in the order given", () => {
    expect(prependAs([sequence(3)], [1, 2])).toEqual([sequence(1, 2, 3)]);
    expect(prependAs([], [1])).toEqual([sequence(1)]);
    expect(prependAs([set(3)], [1])).toEqual([sequence(1), set(3)]);
  });

  it("starts a new segment in front of one of 255", () => {
    const full = Array.from({ length: 255 }, (_, index) => index + 10);
    expect(prependAs([sequence(...full)], [1, 2])).toEqual([sequence(1, 2), sequence(...full)]);
    expect(prependAs([sequence(...full.slice(1))], [1, 2])).toEqual([sequence(1), sequence(2, ...full.slice(1))]);
  });

  it("drops confederation segments only", () => {
    expect(withoutConfederation([confederation(1), sequence(2), set(3)])).toEqual([sequence(2), set(3)]);
  });
});
