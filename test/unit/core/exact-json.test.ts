import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { formatExactJson, parseExactJson, printExactJson } from "../../../src/core/exact-json.ts";

describe("exact JSON", () => {
  test("keeps large integers, and only those, as bigints; text that looks like the mark stays text", () => {
    const text =
      '{"a":9007199254740993,"b":-1767323045678901234,"c":1.5e3,"d":"1767323045678901234","\\u00005":"\\u00001234567890123456"}';
    const value = parseExactJson(text);
    expect(value).toEqual({
      a: 9007199254740993n,
      b: -1767323045678901234n,
      c: 1500,
      d: "1767323045678901234",
      "\x005": "\x001234567890123456",
    });
    expect(printExactJson(value)).toBe(text.replace("1.5e3", "1500"));
  });

  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.oneof(fc.integer(), fc.string(), fc.constantFrom("\0", "\0\0", "\0" + "12", 'x"\0"', "\\", null, true)),
      fc.bigInt({ min: 10n ** 15n, max: 1n << 64n }),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(fc.oneof(fc.string(), fc.constant("\0a")), tie("value"), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).value;

  test("is read back the same, whether printed for a program or for people", () => {
    fc.assert(
      fc.property(value, (given) => {
        const text = printExactJson(given as Parameters<typeof printExactJson>[0]);
        const again = parseExactJson(text);
        expect(again).toEqual(given);
        expect(parseExactJson(formatExactJson(given))).toEqual(given);
        expect(printExactJson(again)).toBe(text);
      }),
    );
  });

  test("is what JSON.stringify prints where there is no bigint", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (given) => {
        expect(formatExactJson(given)).toBe(JSON.stringify(given, null, 2));
        expect(formatExactJson(given, 0)).toBe(JSON.stringify(given));
      }),
    );
  });
});
