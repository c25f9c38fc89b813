import fc from "fast-check";
import { expect, it } from "vitest";
import { KeyIndex } from "../../src/datastore/embedded/key-index.ts";

const byBytes = (left: string, right: string) => Buffer.compare(Buffer.from(left), Buffer.from(right));
/** Few letters, so that prefixes are shared, and such as UTF-16 sorts otherwise than UTF-8. */
const key = fc.string({ unit: fc.constantFrom("a", "b", "/", "\u{10000}", "\uffee"), minLength: 1, maxLength: 5 });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.array(key, { maxLength: 60 }).map((keys) => ({ keys })) },
  { weight: 3, arbitrary: key.map((prefix) => ({ prefix })) },
);

it("finds the keys of a prefix in the order of their bytes, whatever was added and removed in between", () => {
  fc.assert(
    fc.property(fc.uniqueArray(key), fc.array(step, { maxLength: 20 }), (first, steps) => {
      const index = new KeyIndex(first);
      const model = new Set(first);
      for (const each of steps)
        if ("prefix" in each)
          expect(index.withPrefix(each.prefix)).toEqual(
            [...model].filter((known) => known.startsWith(each.prefix)).sort(byBytes),
          );
        else
          for (const toggled of each.keys)
            if (model.delete(toggled)) index.remove(toggled);
            else {
              model.add(toggled);
              index.add(toggled);
            }
      expect(index.withPrefix("")).toEqual([...model].sort(byBytes));
    }),
  );
});
