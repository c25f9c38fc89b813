import { describe, expect, test } from "vitest";
import {
  formatAsPath,
  formatCommunity,
  formatExtendedCommunity,
  formatLargeCommunity,
} from "../../../../src/bgp/packet/format.ts";

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

  test("an extended community is a target or an origin in its own notation, or its octets", () => {
    expect(formatExtendedCommunity(0x0002fde800000064n)).toBe("rt:65000:100");
    expect(formatExtendedCommunity(0x01030a0000010005n)).toBe("ro:10.0.0.1:5");
    expect(formatExtendedCommunity(0x0202fa56ea000007n)).toBe("rt:4200000000:7");
    expect(formatExtendedCommunity(0x4006fde800000001n)).toBe("0x4006fde800000001");
    expect(formatExtendedCommunity(0x0006fde800000001n)).toBe("0x0006fde800000001");
  });

  test("a link bandwidth is the AS and octets per second", () => {
    expect(formatExtendedCommunity(0x4004fde84cee6b28n)).toBe("bandwidth:65000:125000000");
    expect(formatExtendedCommunity(0x0004fde800000000n)).toBe("bandwidth:65000:0");
  });

  test("a large community is three numbers", () => {
    expect(formatLargeCommunity({ global: 4_200_000_000, local1: 1, local2: 2 })).toBe("4200000000:1:2");
  });
});
