import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { Address6 } from "ip-address";
import { describe, expect, test } from "vitest";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix, parseCidr } from "../../src/net/prefix.ts";

const word = fc.integer({ min: 0, max: 0xffffffff });
/** Words in which zero groups are as common as others, because compression is where texts differ. */
const gappyWord = fc
  .tuple(fc.constantFrom(0, 0, 1, 0xff, 0xffff), fc.constantFrom(0, 0, 1, 0xa00, 0xffff))
  .map(([high, low]) => ((high << 16) | low) >>> 0);
const v4 = word.map((value) => IpAddress.v4(value));
const anyWord = fc.oneof(word, gappyWord);
const v6 = fc.tuple(anyWord, anyWord, anyWord, anyWord).map((words) => IpAddress.v6(...words));
const address = fc.oneof(v4, v6);
const prefix = fc.tuple(address, fc.nat(128)).map(([base, length]) => Prefix.of(base, Math.min(length, base.bits)));
/** Two prefixes that are often related: the second is the first with some bits or its length changed. */
const relatedPrefixes = fc.tuple(prefix, fc.nat(128), fc.integer({ min: -3, max: 3 })).map(([base, length, offset]) => {
  const other = Prefix.of(base.address.plus(offset), Math.min(length, base.bits));
  return [base, other] as const;
});

describe("IpAddress", () => {
  test("text and octets round-trip", () => {
    fc.assert(
      fc.property(address, (value) => {
        expect(IpAddress.parse(value.toString()).equals(value)).toBe(true);
        expect(IpAddress.fromBytes(value.toBytes()).equals(value)).toBe(true);
        expect(JSON.parse(JSON.stringify(value))).toBe(value.toString());
      }),
    );
  });

  test("accepts exactly the texts that node's own parser accepts, without zones", () => {
    const addressLike = fc.string({
      unit: fc.constantFrom("0", "1", "9", "a", "f", ":", ":", ".", "::", "255"),
      maxLength: 12,
    });
    fc.assert(
      fc.property(fc.oneof(addressLike, address.map(String), fc.string()), (text) => {
        const parsed = IpAddress.tryParse(text);
        expect(parsed?.family === 4).toBe(isIPv4(text));
        expect(parsed?.family === 6).toBe(isIPv6(text) && !text.includes("%"));
      }),
      { numRuns: 2000 },
    );
  });

  test("prints IPv6 as RFC 5952 says, like an independent implementation", () => {
    fc.assert(
      fc.property(v6, (value) => {
        fc.pre(!(value.w0 === 0 && value.w1 === 0 && value.w2 === 0xffff));
        expect(value.toString()).toBe(Address6.fromBigInt(value.toBigInt()).correctForm());
      }),
      { numRuns: 1000 },
    );
  });

  test("the order is total and consistent with equality, with the number and with the hash", () => {
    fc.assert(
      fc.property(fc.array(address, { maxLength: 12 }), fc.integer({ min: 0, max: 20 }), (values, step) => {
        const all = values.concat(values.map((value) => value.plus(step)));
        for (const a of all)
          for (const b of all) {
            expect(Math.sign(a.compare(b))).toBe(-Math.sign(b.compare(a)) + 0);
            expect(a.compare(b) === 0).toBe(a.equals(b));
            if (a.family === b.family) expect(a.compare(b) < 0).toBe(a.toBigInt() < b.toBigInt());
            else expect(a.compare(b) < 0).toBe(a.family === 4);
            if (a.equals(b)) expect(a.hash()).toBe(b.hash());
          }
      }),
      { numRuns: 50 },
    );
  });

  test("plus is addition modulo the size of the family", () => {
    fc.assert(
      fc.property(address, fc.maxSafeInteger(), (value, offset) => {
        const moved = value.plus(offset);
        expect(moved.toBigInt()).toBe(BigInt.asUintN(value.bits, value.toBigInt() + BigInt(offset)));
        expect(moved.family).toBe(value.family);
      }),
    );
  });

  test("bits are those of the number, and commonBits is the length of their common run", () => {
    fc.assert(
      fc.property(address, fc.nat(127), (value, index) => {
        const bit = index % value.bits;
        expect(BigInt(value.bitAt(bit))).toBe((value.toBigInt() >> BigInt(value.bits - 1 - bit)) & 1n);
        const flipped = BigInt.asUintN(value.bits, value.toBigInt() ^ (1n << BigInt(value.bits - 1 - bit)));
        const other = IpAddress.fromBytes(
          Uint8Array.from({ length: value.bits / 8 }, (_, octet) =>
            Number((flipped >> BigInt(value.bits - 8 - octet * 8)) & 0xffn),
          ),
        );
        expect(value.commonBits(other)).toBe(bit);
        expect(value.commonBits(value)).toBe(value.bits);
      }),
    );
  });
});

describe("Prefix", () => {
  test("text round-trips and host bits are always zero", () => {
    fc.assert(
      fc.property(prefix, (value) => {
        expect(Prefix.parse(value.toString()).equals(value)).toBe(true);
        const hostBits = BigInt(value.bits - value.length);
        expect(value.address.toBigInt() & ((1n << hostBits) - 1n)).toBe(0n);
      }),
    );
  });

  test("a text with host bits is refused by parse and kept by parseCidr", () => {
    fc.assert(
      fc.property(address, fc.nat(128), (base, wanted) => {
        const length = Math.min(wanted, base.bits);
        const text = `${base}/${length}`;
        expect(parseCidr(text).address.equals(base)).toBe(true);
        expect(Prefix.tryParse(text) !== undefined).toBe(Prefix.of(base, length).address.equals(base));
      }),
    );
  });

  test("containment is that of the address ranges", () => {
    const range = (value: Prefix): [bigint, bigint] => {
      const first = value.address.toBigInt();
      return [first, first + (1n << BigInt(value.bits - value.length)) - 1n];
    };
    fc.assert(
      fc.property(fc.oneof(relatedPrefixes, fc.tuple(prefix, prefix)), ([a, b]) => {
        const [aFirst, aLast] = range(a);
        const [bFirst, bLast] = range(b);
        const sameFamily = a.family === b.family;
        expect(a.contains(b)).toBe(sameFamily && aFirst <= bFirst && bLast <= aLast);
        expect(a.overlaps(b)).toBe(sameFamily && aFirst <= bLast && bFirst <= aLast);
        expect(a.overlaps(b)).toBe(b.overlaps(a));
        expect(a.containsAddress(b.address)).toBe(sameFamily && aFirst <= bFirst && bFirst <= aLast);
        expect(a.contains(b) && b.contains(a)).toBe(a.equals(b));
        expect(a.compare(b) === 0).toBe(a.equals(b));
        expect(Math.sign(a.compare(b))).toBe(-Math.sign(b.compare(a)) + 0);
        if (a.equals(b)) expect(a.hash()).toBe(b.hash());
      }),
      { numRuns: 1000 },
    );
  });

  test("subnets of a prefix tile it in order", () => {
    fc.assert(
      fc.property(prefix, fc.nat(10), fc.nat(), (base, extra, seed) => {
        const length = Math.min(base.length + extra, base.bits);
        const count = 2 ** (length - base.length);
        const index = seed % count;
        const subnet = base.subnet(length, index);
        expect(base.contains(subnet)).toBe(true);
        expect(subnet.length).toBe(length);
        expect(subnet.address.toBigInt() - base.address.toBigInt()).toBe(BigInt(index) << BigInt(base.bits - length));
        expect(() => base.subnet(length, count)).toThrow("no sub-prefix number");
      }),
    );
  });
});
