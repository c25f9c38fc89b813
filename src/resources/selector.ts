import { ResourceError } from "./errors.ts";

/** True if an object with these labels is selected. */
export type Selector = (labels: Readonly<Record<string, string>>) => boolean;

/** Parentheses deeper than this are a mistake or an attack on the stack. */
const MAX_DEPTH = 100;

/**
 * Compiles a selector of Calico's language, e.g. `rack == "r1" && !has(spare)`. The empty text selects everything.
 *
 * A label that is absent makes `!=` and `not in` true and every other operator false. `global()` is refused: it only
 * has a meaning as the namespace selector of a policy rule. Throws `INVALID_SELECTOR` with the position.
 */
export function compileSelector(text: string): Selector {
  return new SelectorParser(text).parse();
}

/** Recursive descent, one method per rule of the grammar. `&&` binds tighter than `||`, `!` only to the next operand. */
class SelectorParser {
  readonly #text: string;
  #position = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Selector {
    this.#skipSpace();
    if (this.#atEnd()) return () => true;
    const selector = this.#parseOr();
    if (!this.#atEnd()) this.#fail('expected "&&", "||" or the end');
    return selector;
  }

  #parseOr(): Selector {
    const operands = [this.#parseAnd()];
    while (this.#accept("||")) operands.push(this.#parseAnd());
    const [only] = operands;
    return operands.length === 1 && only !== undefined ? only : (labels) => operands.some((operand) => operand(labels));
  }

  #parseAnd(): Selector {
    const operands = [this.#parseOperand()];
    while (this.#accept("&&")) operands.push(this.#parseOperand());
    const [only] = operands;
    return operands.length === 1 && only !== undefined
      ? only
      : (labels) => operands.every((operand) => operand(labels));
  }

  #parseOperand(): Selector {
    let negated = false;
    while (this.#accept("!")) negated = !negated;
    const atom = this.#parseAtom();
    return negated ? (labels) => !atom(labels) : atom;
  }

  #parseAtom(): Selector {
    if (this.#accept("(")) {
      if (++this.#depth > MAX_DEPTH) this.#fail(`parentheses are nested more than ${MAX_DEPTH} deep`);
      const inner = this.#parseOr();
      this.#expect(")");
      this.#depth--;
      return inner;
    }
    const start = this.#position;
    const label = this.#parseLabel('expected a label, "has(", "all()", "!" or "("');
    if (this.#text[this.#position] === "(") {
      if (label === "all") return this.#parseAll();
      if (label === "has") return this.#parseHas();
      if (label === "global") this.#fail("global() is not allowed here", start);
    }
    return this.#parseComparison(label);
  }

  #parseAll(): Selector {
    this.#expect("(");
    this.#expect(")");
    return () => true;
  }

  #parseHas(): Selector {
    this.#expect("(");
    const label = this.#parseLabel("expected a label");
    this.#expect(")");
    return (labels) => Object.hasOwn(labels, label);
  }

  #parseComparison(label: string): Selector {
    if (this.#accept("==")) {
      const wanted = this.#parseString();
      return (labels) => labelOf(labels, label) === wanted;
    }
    if (this.#accept("!=")) {
      const unwanted = this.#parseString();
      return (labels) => labelOf(labels, label) !== unwanted;
    }
    if (this.#acceptPattern(/contains/y)) {
      const part = this.#parseString();
      return (labels) => labelOf(labels, label)?.includes(part) === true;
    }
    if (this.#acceptPattern(/starts[ \t]*with/y)) {
      const start = this.#parseString();
      return (labels) => labelOf(labels, label)?.startsWith(start) === true;
    }
    if (this.#acceptPattern(/ends[ \t]*with/y)) {
      const end = this.#parseString();
      return (labels) => labelOf(labels, label)?.endsWith(end) === true;
    }
    if (this.#acceptPattern(/not[ \t]*in/y)) {
      const set = this.#parseSet();
      return (labels) => !set.has(labelOf(labels, label));
    }
    if (this.#acceptPattern(/in/y)) {
      const set = this.#parseSet();
      return (labels) => set.has(labelOf(labels, label));
    }
    this.#fail(`expected ==, !=, in, not in, contains, starts with or ends with after the label "${label}"`);
  }

  #parseSet(): ReadonlySet<string | undefined> {
    const values = new Set<string | undefined>();
    this.#expect("{");
    while (!this.#accept("}")) {
      values.add(this.#parseString());
      if (this.#accept(",")) continue;
      this.#expect("}", 'expected "," or "}"');
      break;
    }
    return values;
  }

  #parseString(): string {
    const match = this.#match(/"([^"]*)"|'([^']*)'/y);
    if (match === undefined) this.#fail("expected a text in quotes");
    return match[1] ?? match[2] ?? "";
  }

  #parseLabel(expectation: string): string {
    const start = this.#position;
    const label = this.#match(/[A-Za-z0-9_./-]+/y)?.[0];
    if (label === undefined) this.#fail(expectation);
    if (label.length > 512) this.#fail("a label has at most 512 characters", start);
    return label;
  }

  #accept(token: string): boolean {
    if (!this.#text.startsWith(token, this.#position)) return false;
    this.#position += token.length;
    this.#skipSpace();
    return true;
  }

  #acceptPattern(expression: RegExp): boolean {
    return this.#match(expression) !== undefined;
  }

  #expect(token: string, expectation = `expected "${token}"`): void {
    if (!this.#accept(token)) this.#fail(expectation);
  }

  /** Consumes a sticky expression and the space after it. */
  #match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.#position;
    const match = expression.exec(this.#text);
    if (match === null) return undefined;
    this.#position = expression.lastIndex;
    this.#skipSpace();
    return match;
  }

  #skipSpace(): void {
    while (this.#text[this.#position] === " " || this.#text[this.#position] === "\t") this.#position++;
  }

  #atEnd(): boolean {
    return this.#position >= this.#text.length;
  }

  #fail(problem: string, position: number = this.#position): never {
    const found = position >= this.#text.length ? "at its end" : `at character ${position + 1}`;
    throw new ResourceError(
      "INVALID_SELECTOR",
      `the selector ${JSON.stringify(this.#text)} is wrong ${found}: ${problem}`,
      {
        selector: this.#text,
        position,
      },
    );
  }
}

function labelOf(labels: Readonly<Record<string, string>>, label: string): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}
