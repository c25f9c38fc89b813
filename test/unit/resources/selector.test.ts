import { describe, expect, test } from "vitest";
import { compileSelector } from "../../../src/resources/selector.ts";

describe("compileSelector", () => {
  test.each([
    ["", {}, true],
    [" \t", { a: "b" }, true],
    ["all()", {}, true],
    ["rack == 'r1' && !has(spare)", { rack: "r1" }, true],
    ["rack == 'r1' && !has(spare)", { rack: "r1", spare: "" }, false],
    ["a == 'x' || b == 'x' && c == 'x'", { a: "x" }, true],
    ["(a == 'x' || b == 'x') && c == 'x'", { a: "x" }, false],
    ["!a == 'x'", { a: "x" }, false],
    ["!!has(a)", { a: "x" }, true],
    ["a != 'x'", {}, true],
    ["a not in {'x'}", {}, true],
    ["a notin{'x'}", { a: "x" }, false],
    ["a in {}", { a: "x" }, false],
    ["a in {'x', 'y',}", { a: "y" }, true],
    ["in in {'in'}", { in: "in" }, true],
    ["a starts with 'x'", { a: "xy" }, true],
    ["a endswith 'x'", { a: "xy" }, false],
    ["has(toString)", {}, false],
    ["constructor == 'x'", {}, false],
    ["has(__proto__)", {}, false],
  ])("%s on %j is %j", (text, labels, expected) => {
    expect(compileSelector(text)(labels)).toBe(expected);
  });

  test.each([
    ["rack = 'r1'", "at character 6"],
    ["rack == r1", "at character 9"],
    ["rack == 'r1", "at character 9"],
    ["a == 'x' &&", "at its end"],
    ["a == 'x' b", "at character 10"],
    ["(a == 'x'", "at its end"],
    ["a in {'x' 'y'}", "at character 11"],
    ["a in {,}", "at character 7"],
    ["a == 'x'\n", "at character 9"],
    ["has()", "at character 5"],
    ["global()", "global() is not allowed here"],
    [`${"a".repeat(513)} == 'x'`, "at most 512"],
    [`${"(".repeat(5000)}all()`, "nested more than 100"],
    ["a inside {'x'}", "at character 5"],
  ])("refuses %s and says where", (text, message) => {
    expect(() => compileSelector(text)).toThrow(message);
  });

  test("a label of 512 characters and 100 parentheses are fine", () => {
    expect(compileSelector(`has(${"a".repeat(512)})`)({})).toBe(false);
    expect(compileSelector(`${"(".repeat(100)}all()${")".repeat(100)}`)({})).toBe(true);
  });
});
