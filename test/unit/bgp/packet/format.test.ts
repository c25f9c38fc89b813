import { describe, expect, test } from "vitest";
import { formatAsPath, formatCommunity, formatLargeCommunity } from "../../../../src/bgp/packet/format.ts";

describe("text for people", () => {
  test("an AS path shows its segments by their brackets", () => {
    expect(
      formatAsPath([
        { type: "confed-sequence", asNumbers: [65001, 65002] },
        { type: "confed-set", asNumbers: [65003, 65004] },
        { type: "sequence", asNumbers: [64512, 64513] },
        { type: "set", asNumbers: [1, 2] },
      ]),
    ).toBe("(65001 65002) [65003,65004] 64512 64513 {1,2}");
    expect(formatAsPath([])).toBe("");
  });

  test("a community is a pair of numbers or its registered name", () => {
    expect(formatCommunity(65000 * 65536 + 100)).toBe("65000:100");
    expect(formatCommunity(0xffffff01)).toBe("no-export");
    expect(formatCommunity(0xffff029a)).toBe("blackhole");
    expect(formatCommunity(0xffffffff)).toBe("65535:65535");
  });

  test("a large community is three numbers", () => {
    expect(formatLargeCommunity({ global: 4_200_000_000, local1: 1, local2: 2 })).toBe("4200000000:1:2");
  });
});
