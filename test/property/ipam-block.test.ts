import fc from "fast-check";
import { expect, it } from "vitest";
import { parseExactJson, printExactJson } from "../../src/core/exact-json.ts";
import { allocate, allocateAddress, collect, handleOf, isTaken, newBlock, release } from "../../src/ipam/block.ts";
import { decodeBlock, encodeBlock } from "../../src/ipam/codec.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { blockProblems } from "../support/ipam-audit.ts";

const step = fc.oneof(
  fc.record({ type: fc.constant("take" as const), pod: fc.nat(5), count: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ type: fc.constant("take-one" as const), pod: fc.nat(5), ordinal: fc.nat(15) }),
  fc.record({ type: fc.constant("release" as const), ordinals: fc.uniqueArray(fc.nat(15), { maxLength: 4 }) }),
  fc.record({ type: fc.constant("wait" as const), seconds: fc.nat(40) }),
);

it("a block stays whole through any sequence of changes, and through the codec", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), fc.constantFrom(0, 30), (steps, cooldownSec) => {
      let nowMs = 1_767_323_045_678;
      let block = newBlock(Prefix.parse("10.0.0.0/28"), "a", nowMs);
      for (const each of steps) {
        const before = block;
        const owner = { handleId: "pod" in each ? `net.${each.pod}` : "", attributes: {} };
        if (each.type === "take") block = allocate(block, each.count, owner).block;
        else if (each.type === "take-one")
          block = allocateAddress(block, block.cidr.address.plus(each.ordinal), owner) ?? block;
        else if (each.type === "release") {
          const taken = each.ordinals.filter((ordinal) => isTaken(before, ordinal));
          if (taken.length > 0) block = release(block, taken, nowMs, cooldownSec);
          for (const ordinal of taken) expect(handleOf(block, ordinal)).toBeUndefined();
        } else {
          nowMs += each.seconds * 1_000;
          block = collect(block, nowMs, cooldownSec);
        }
        for (const ordinal of block.allocations.keys())
          if (isTaken(before, ordinal) && each.type !== "release")
            expect(handleOf(block, ordinal)).toBe(handleOf(before, ordinal));
        expect(blockProblems(block)).toEqual([]);
      }
      const text = encodeBlock(block);
      const decoded = decodeBlock("/k", text);
      expect(decoded === undefined ? "" : encodeBlock(decoded)).toBe(text);
    }),
    { numRuns: 200 },
  );
});

it("exact JSON reads what JSON.stringify writes, and prints it the same up to Go's escapes", () => {
  fc.assert(
    fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
      const text = JSON.stringify(value);
      expect(JSON.parse(printExactJson(parseExactJson(text)))).toEqual(JSON.parse(text));
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 10n ** 15n, max: 2n ** 64n - 1n })), (numbers) => {
      const text = `[${numbers.join(",")}]`;
      expect(printExactJson(parseExactJson(text))).toBe(text);
    }),
  );
});
