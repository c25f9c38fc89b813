import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fieldDifferences } from "../../../../src/calictl/resources/field-differences.ts";

describe("the differences between two values", () => {
  it.each([
    [{ a: 1, b: { c: 2 } }, { a: 1, b: { c: 3 } }, [{ type: "changed", path: "b.c", before: 2, after: 3 }]],
    [{ a: 1 }, { a: 1, l: { "x/y": "z" } }, [{ type: "added", path: 'l["x/y"]', after: "z" }]],
    [
      { a: { b: 1, c: [] } },
      {},
      [
        { type: "removed", path: "a.b", before: 1 },
        { type: "removed", path: "a.c", before: [] },
      ],
    ],
    [{ l: ["a", "b", "c"] }, { l: ["a", "x", "b", "c"] }, [{ type: "added", path: "l[1]", after: "x" }]],
    [{ l: ["a", "b", "c"] }, { l: ["b", "c"] }, [{ type: "removed", path: "l[0]", before: "a" }]],
    [
      { l: [{ n: 1, m: 1 }, 5] },
      { l: [{ n: 2, m: 1 }, 5] },
      [{ type: "changed", path: "l[0].n", before: 1, after: 2 }],
    ],
    [{ a: [1] }, { a: "1" }, [{ type: "changed", path: "a", before: [1], after: "1" }]],
    [undefined, { a: { b: 1 } }, [{ type: "added", path: "a.b", after: 1 }]],
    [{ a: undefined }, {}, []],
  ])("%j and %j are %j", (before, after, differences) => {
    expect(fieldDifferences(before, after)).toEqual(differences);
  });

  it("are none between a value and itself, and some between values that differ", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()), (a, b) => {
        const [before, after] = [JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b))];
        expect(fieldDifferences(before, structuredClone(before))).toEqual([]);
        const sorted = (value: unknown) =>
          JSON.stringify(value, (_key, child: unknown) =>
            typeof child === "object" && child !== null && !Array.isArray(child)
              ? Object.fromEntries(Object.entries(child).sort(([x], [y]) => (x < y ? -1 : 1)))
              : child,
          );
        if (sorted(before) !== sorted(after)) expect(fieldDifferences(before, after)).not.toEqual([]);
      }),
    );
  });
});
