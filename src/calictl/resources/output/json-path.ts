import { isObject } from "../../../resources/read-fields.ts";
import { UsageError } from "../../output.ts";

/** One step of a path. */
type Step =
  | { readonly type: "fields"; readonly names: readonly string[] }
  | { readonly type: "every" }
  | { readonly type: "below" }
  | { readonly type: "items"; readonly indexes: readonly number[] }
  | { readonly type: "slice"; readonly from: number; readonly to: number; readonly step: number }
  | { readonly type: "filter"; readonly condition: Condition };

/** `@.a == "b"`; without an operator: that there is something. */
interface Condition {
  readonly left: Operand;
  readonly operator?: string;
  readonly right?: Operand;
}

type Operand = { readonly path: JsonPath } | { readonly value: unknown };

/** A path in JSON, in kubectl's dialect of JSONPath. */
export interface JsonPath {
  /** It begins with `$`: at the whole and not at the current value. */
  readonly fromRoot: boolean;
  readonly steps: readonly Step[];
}

/** Reads `.spec.cidr`, `$.items[*]['metadata'].name`, `..name`, `.items[?(@.spec.node=="n1")]`. Throws a `UsageError`. */
export function parseJsonPath(text: string): JsonPath {
  const reader = new PathReader(text);
  const path = reader.readPath();
  reader.expectEnd();
  return path;
}

/** Every value that the path leads to, in order. */
export function evaluateJsonPath(path: JsonPath, root: unknown, current: unknown = root): unknown[] {
  return path.steps.reduce<unknown[]>(
    (values, step) => values.flatMap((value) => follow(step, value, root)),
    [path.fromRoot ? root : current],
  );
}

function follow(step: Step, value: unknown, root: unknown): unknown[] {
  switch (step.type) {
    case "fields":
      return step.names.flatMap((name) => (isObject(value) && Object.hasOwn(value, name) ? [value[name]] : []));
    case "every":
      return childrenOf(value);
    case "below":
      return withDescendants(value);
    case "items":
      return step.indexes.flatMap((index) => (Array.isArray(value) ? value.slice(index, index + 1 || undefined) : []));
    case "slice":
      return Array.isArray(value) ? value.slice(step.from, step.to).filter((_, index) => index % step.step === 0) : [];
    case "filter":
      return childrenOf(value).filter((child) => holds(step.condition, root, child));
  }
}

function childrenOf(value: unknown): unknown[] {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value) : [];
}

function withDescendants(value: unknown): unknown[] {
  return [value, ...childrenOf(value).flatMap(withDescendants)];
}

function holds({ left, operator, right }: Condition, root: unknown, current: unknown): boolean {
  const values = ("path" in left ? evaluateJsonPath(left.path, root, current) : [left.value]) as unknown[];
  if (operator === undefined || right === undefined) return values.length > 0;
  const others = "path" in right ? evaluateJsonPath(right.path, root, current) : [right.value];
  const [a, b] = [values[0], others[0]];
  if (operator === "==") return a === b;
  if (operator === "!=") return a !== b;
  if (typeof a !== typeof b || (typeof a !== "number" && typeof a !== "string")) return false;
  const order = a === b ? 0 : (a as string) < (b as string) ? -1 : 1;
  return { "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[operator] ?? false;
}

class PathReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text.trim();
  }

  readPath(): JsonPath {
    const [start = ""] = this.#take(/[$@]/y) ?? [];
    const steps: Step[] = [];
    // kubectl takes `metadata.name` for `.metadata.name`.
    if (start === "" && /[A-Za-z_]/.test(this.#text.charAt(this.#at))) steps.push(this.#readName());
    for (;;) {
      if (this.#take(/\.\./y)) {
        steps.push({ type: "below" });
        if (this.#text.charAt(this.#at) !== "[") steps.push(this.#readName());
      } else if (this.#take(/\.(?=\[)/y)) continue;
      else if (this.#take(/\./y)) {
        if (steps.length > 0 || this.#at < this.#text.length) steps.push(this.#readName());
      } else if (this.#take(/\[/y)) steps.push(this.#readBrackets());
      else return { fromRoot: start === "$", steps };
    }
  }

  expectEnd(): void {
    if (this.#at < this.#text.length) this.#fail("what follows here is no path");
  }

  #readName(): Step {
    if (this.#take(/\*/y)) return { type: "every" };
    const [name] = this.#take(/(?:\\.|[\w/-])+/y) ?? this.#fail("a name is missing here");
    return { type: "fields", names: [name.replaceAll(/\\(.)/g, "$1")] };
  }

  #readBrackets(): Step {
    const step = this.#readInBrackets();
    if (!this.#take(/\s*\]/y)) this.#fail("] is missing here");
    return step;
  }

  #readInBrackets(): Step {
    if (this.#take(/\s*\*/y)) return { type: "every" };
    if (this.#take(/\s*\?\(/y)) {
      const condition = this.#readCondition();
      if (!this.#take(/\s*\)/y)) this.#fail(") is missing here");
      return { type: "filter", condition };
    }
    const slice = this.#take(/\s*(-?\d*):(-?\d*)(?::(\d+))?/y);
    if (slice !== undefined) {
      const [, from, to, step] = slice;
      const end = to === undefined || to === "" ? Number.POSITIVE_INFINITY : Number(to);
      return { type: "slice", from: Number(from), to: end, step: Number(step ?? 1) || 1 };
    }
    const indexes = this.#take(/\s*-?\d+(?:\s*,\s*-?\d+)*/y);
    if (indexes !== undefined) return { type: "items", indexes: indexes[0].split(",").map(Number) };
    const names: string[] = [];
    do names.push(this.#readString());
    while (this.#take(/\s*,/y));
    return { type: "fields", names };
  }

  #readCondition(): Condition {
    const left = this.#readOperand();
    const operator = this.#take(/\s*(==|!=|<=|>=|<|>)/y)?.[1];
    return operator === undefined ? { left } : { left, operator, right: this.#readOperand() };
  }

  #readOperand(): Operand {
    this.#take(/\s+/y);
    if (/["']/.test(this.#text.charAt(this.#at))) return { value: this.#readString() };
    const number = this.#take(/-?\d+(?:\.\d+)?/y);
    if (number !== undefined) return { value: Number(number[0]) };
    const word = this.#take(/(true|false|null)\b/y);
    if (word !== undefined) return { value: JSON.parse(word[0]) as unknown };
    if (!/[@$]/.test(this.#text.charAt(this.#at)))
      this.#fail("a path that begins with @, a number or a text is missing here");
    return { path: this.readPath() };
  }

  #readString(): string {
    const found =
      this.#take(/\s*(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)')/y) ?? this.#fail("a quoted name is missing here");
    return (found[1] ?? found[2] ?? "").replaceAll(/\\(.)/g, "$1");
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text) ?? undefined;
    if (found !== undefined) this.#at += found[0].length;
    return found;
  }

  #fail(reason: string): never {
    throw new UsageError(`the path "${this.#text}": ${reason}: "${this.#text.slice(this.#at)}"`);
  }
}
