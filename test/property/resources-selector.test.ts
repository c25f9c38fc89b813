import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ResourceError } from "../../src/resources/errors.ts";
import { compileSelector } from "../../src/resources/selector.ts";

type Labels = Record<string, string>;
type Tree =
  | { type: "all" }
  | { type: "has"; label: string }
  | { type: "compare"; label: string; operator: "==" | "!=" | "contains" | "starts with" | "ends with"; value: string }
  | { type: "set"; label: string; operator: "in" | "not in"; values: string[] }
  | { type: "not"; operand: Tree }
  | { type: "and"; operands: Tree[] }
  | { type: "or"; operands: Tree[] };

/** The language's meaning, written down once more without any cleverness. */
function evaluate(tree: Tree, labels: Labels): boolean {
  if (tree.type === "all") return true;
  if (tree.type === "not") return !evaluate(tree.operand, labels);
  if (tree.type === "and") return tree.operands.reduce((result, operand) => evaluate(operand, labels) && result, true);
  if (tree.type === "or") return tree.operands.reduce((result, operand) => evaluate(operand, labels) || result, false);
  const present = Object.entries(labels).find(([name]) => name === tree.label)?.[1];
  if (tree.type === "has") return present !== undefined;
  if (present === undefined) return tree.operator === "!=" || tree.operator === "not in";
  switch (tree.operator) {
    case "==":
      return present === tree.value;
    case "!=":
      return present !== tree.value;
    case "contains":
      return tree.value === "" || present.split(tree.value).length > 1;
    case "starts with":
      return present.slice(0, tree.value.length) === tree.value;
    case "ends with":
      return tree.value === "" || present.slice(-tree.value.length) === tree.value;
    case "in":
      return tree.values.some((value) => value === present);
    case "not in":
      return !tree.values.some((value) => value === present);
  }
}

const label = fc.constantFrom("a", "b", "in", "has", "all", "x.y/z-1", "constructor", "not");
const value = fc.constantFrom("", "x", "y", "xy", "yx", "it's", 'say "x"');
const space = fc.constantFrom("", " ", "\t ");
const gap = fc.constantFrom(" ", "\t", "  ");

const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    fc.record({ type: fc.constant("has" as const), label }),
    fc.constant({ type: "all" as const }),
    fc.record({
      type: fc.constant("compare" as const),
      label,
      operator: fc.constantFrom("==", "!=", "contains", "starts with", "ends with"),
      value,
    }),
    fc.record({
      type: fc.constant("set" as const),
      label,
      operator: fc.constantFrom("in", "not in"),
      values: fc.array(value, { maxLength: 3 }),
    }),
    fc.record({ type: fc.constant("not" as const), operand: tie("tree") }),
    fc.record({
      type: fc.constantFrom("and", "or"),
      operands: fc.array(tie("tree"), { minLength: 1, maxLength: 3 }),
    }),
  ) as fc.Arbitrary<Tree>,
})).tree;

/** Some text of the tree: spaces, quotes, trailing commas and superfluous parentheses as `choose` likes. */
function print(
  node: Tree,
  choose: <Item>(from: fc.Arbitrary<Item>) => Item,
  inside: "or" | "and" | "not" | "" = "",
): string {
  const quote = (text: string) =>
    text.includes('"') || (!text.includes("'") && choose(fc.boolean())) ? `'${text}'` : `"${text}"`;
  const s = () => choose(space);
  switch (node.type) {
    case "all":
      return `all${s()}(${s()})`;
    case "has":
      return `has${s()}(${s()}${node.label}${s()})`;
    case "compare": {
      const wordy = /[a-z]/.test(node.operator);
      const operator = node.operator.replace(" ", s());
      return `${node.label}${wordy ? choose(gap) : s()}${operator}${s()}${quote(node.value)}`;
    }
    case "set": {
      const comma = node.values.length > 0 && choose(fc.boolean()) ? `${s()},` : "";
      const items = node.values.map((item) => `${s()}${quote(item)}${s()}`).join(",");
      return `${node.label}${choose(gap)}${node.operator.replace(" ", s())}${s()}{${items}${comma}${s()}}`;
    }
    case "not":
      return `!${s()}${print(node.operand, choose, "not")}`;
    case "and":
    case "or": {
      const text = node.operands
        .map((operand) => print(operand, choose, node.type))
        .join(`${s()}${node.type === "and" ? "&&" : "||"}${s()}`);
      const needed = node.operands.length > 1 && (inside === "not" || (inside === "and" && node.type === "or"));
      const alone = node.operands.length === 1 && inside !== "";
      return needed || alone || choose(fc.boolean()) ? `(${s()}${text}${s()})` : text;
    }
  }
}

describe("compileSelector", () => {
  test("means what a naive evaluator of the tree says, however the text is spaced and quoted", () => {
    fc.assert(
      fc.property(
        tree,
        fc.gen(),
        fc.array(fc.dictionary(label, value, { maxKeys: 4, noNullPrototype: true }), { minLength: 4, maxLength: 8 }),
        (node, gen, labelSets) => {
          const text = print(node, (from) => gen(() => from));
          const selects = compileSelector(text);
          for (const labels of labelSets) expect([text, selects(labels)]).toEqual([text, evaluate(node, labels)]);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("any text either compiles or is refused with a position inside it", () => {
    const token = fc.constantFrom(
      "a",
      "==",
      "!=",
      '"x"',
      "'",
      "(",
      ")",
      "&&",
      "||",
      "!",
      "in",
      "{",
      "}",
      ",",
      "has(",
      "all()",
      " ",
      "global()",
      "\n",
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 10 }), (tokens) => {
        const text = tokens.join("");
        try {
          compileSelector(text)({});
        } catch (error) {
          expect(error).toBeInstanceOf(ResourceError);
          if (!(error instanceof ResourceError)) return;
          expect(error.code).toBe("INVALID_SELECTOR");
          expect(error.details.position).toBeGreaterThanOrEqual(0);
          expect(error.details.position).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
