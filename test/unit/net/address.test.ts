import { describe, expect, test } from "vitest";
import { IpAddress } from "../../../src/net/address.ts";
import { AddressError } from "../../../src/net/errors.ts";
import { Prefix } from "../../../src/net/prefix.ts";

const codeOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    return error instanceof AddressError ? error.code : String(error);
  }
  return undefined;
};

describe("IpAddress", () => {
  test.each([
    ["10.0.0.1", "10.0.0.1"],
    ["FD00:0:0:0:0:0:0:A", "fd00::a"],
    ["1:0:0:2:0:0:0:3", "1:0:0:2::3"],
    ["1:0:0:2:3:0:0:4", "1::2:3:0:0:4"],
    ["1:0:2:3:4:5:6:7", "1:0:2:3:4:5:6:7"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["::192.0.2.1", "::c000:201"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
  ])("prints %s as %s", (given, canonical) => {
    expect(IpAddress.parse(given).toString()).toBe(canonical);
  });

  test.each(["", "10.0.0", "10.0.0.0.1", "010.0.0.1", "10.0.0.256", "10.0.0.1/8", "fe80::1%eth0", "1::2::3", " ::1"])(
    "refuses %j and names it",
    (text) => {
      expect(codeOf(() => IpAddress.parse(text))).toBe("INVALID_ADDRESS");
      expect(() => IpAddress.parse(text)).toThrow(`"${text}"`);
    },
  );

  test("refuses octets that are neither 4 nor 16", () => {
    expect(codeOf(() => IpAddress.fromBytes(new Uint8Array(5)))).toBe("INVALID_ADDRESS");
  });

  test("an IPv4 address never equals the IPv6 address with the same first word", () => {
    expect(IpAddress.v4(1).equals(IpAddress.v6(1, 0, 0, 0))).toBe(false);
  });
});

describe("Prefix", () => {
  test("clears host bits in `of` and refuses them in `parse`, naming the right text", () => {
    expect(Prefix.of(IpAddress.parse("10.1.2.3"), 8).toString()).toBe("10.0.0.0/8");
    expect(codeOf(() => Prefix.parse("10.1.2.3/8"))).toBe("HOST_BITS_SET");
    expect(() => Prefix.parse("10.1.2.3/8")).toThrow("10.0.0.0/8");
  });

  test.each(["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/08", "10.0.0.0/8/8", "fd00::/129", "/8", "10.0.0.0/"])(
    "refuses %j",
    (text) => {
      expect(codeOf(() => Prefix.parse(text))).toBe("INVALID_PREFIX");
    },
  );

  test.each([Number.NaN, 8.5, -1, 33])("refuses the length %d", (length) => {
    expect(codeOf(() => Prefix.of(IpAddress.v4(0), length))).toBe("INVALID_PREFIX");
    expect(codeOf(() => Prefix.parse("0.0.0.0/0").subnet(length, 0))).toBe("INVALID_PREFIX");
  });

  test("names block 3 of a pool", () => {
    expect(Prefix.parse("10.244.0.0/16").subnet(26, 3).toString()).toBe("10.244.0.192/26");
    expect(
      Prefix.parse("fd00::/64")
        .subnet(122, 2 ** 52)
        .toString(),
    ).toBe("fd00::400:0:0:0/122");
    expect(codeOf(() => Prefix.parse("10.244.0.0/16").subnet(26, 1.5))).toBe("INVALID_PREFIX");
  });
});
