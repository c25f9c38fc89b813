import { didYouMean } from "../../../core/nearest-name.ts";
import { isObject, type JsonObject } from "../../../resources/read-fields.ts";
import { UsageError } from "../../output.ts";
import { type GoNode, type GoOperand, type GoPipeline, parseGoTemplate } from "./go-template-syntax.ts";

/**
 * Reads a template of `-o go-template=`; what it returns fills it with JSON. Fields are found by their JSON names and by Go's
 * (`.Spec.CIDR`, `.ObjectMeta.Name`, `.Name`), since calicoctl's templates see Go structures. Throws a `UsageError`.
 */
export function compileGoTemplate(template: string): (value: unknown) => string {
  const nodes = parseGoTemplate(template);
  return (value) => renderNodes(nodes, value, new Map([["$", value]]));
}

type Variables = Map<string, unknown>;

function renderNodes(nodes: readonly GoNode[], dot: unknown, outer: Variables): string {
  const variables = new Map(outer);
  return nodes.map((node) => renderNode(node, dot, variables)).join("");
}

function renderNode(node: GoNode, dot: unknown, variables: Variables): string {
  if (node.type === "text") return node.text;
  const value = evaluate(node.pipeline, dot, variables);
  const [first, second] = node.pipeline.variables;
  if (node.type === "output") {
    if (first !== undefined) variables.set(first, value);
    return first === undefined ? format(value) : "";
  }
  if (node.type === "range") {
    const entries: [unknown, unknown][] = Array.isArray(value)
      ? [...value.entries()]
      : isObject(value)
        ? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
        : [];
    if (entries.length === 0) return renderNodes(node.otherwise, dot, variables);
    return entries
      .map(([key, item]) => {
        const inner = new Map(variables);
        if (first !== undefined) inner.set(first, second === undefined ? item : key);
        if (second !== undefined) inner.set(second, item);
        return renderNodes(node.body, item, inner);
      })
      .join("");
  }
  const inner = new Map(variables);
  if (first !== undefined) inner.set(first, value);
  if (!isTrue(value)) return renderNodes(node.otherwise, dot, inner);
  return renderNodes(node.body, node.type === "with" ? value : dot, inner);
}

function evaluate({ commands }: GoPipeline, dot: unknown, variables: Variables): unknown {
  return commands.reduce<{ readonly value?: unknown }>((before, [head, ...rest]) => {
    if (head === undefined) return before;
    const given = rest.map((operand) => operandValue(operand, dot, variables));
    const args = "value" in before ? [...given, before.value] : given;
    if (head.type === "call") return { value: call(head.name, args) };
    if (args.length > 0) throw new UsageError("-o go-template: only functions take arguments");
    return { value: operandValue(head, dot, variables) };
  }, {}).value;
}

function operandValue(operand: GoOperand, dot: unknown, variables: Variables): unknown {
  switch (operand.type) {
    case "literal":
      return operand.value;
    case "call":
      return call(operand.name, []);
    case "group":
      return operand.fields.reduce(fieldOf, evaluate(operand.pipeline, dot, variables));
    case "path": {
      const { variable, fields } = operand;
      if (variable !== undefined && !variables.has(variable))
        throw new UsageError(`-o go-template: there is no variable ${variable}`);
      return fields.reduce(fieldOf, variable === undefined ? dot : variables.get(variable));
    }
  }
}

/** A field by its JSON name, or by the name that Go has for it. Of a list of one object that object's. */
function fieldOf(value: unknown, name: string): unknown {
  if (Array.isArray(value) && value.length === 1) return fieldOf(value[0], name);
  if (!isObject(value)) return undefined;
  const key = keyOf(value, name);
  if (key !== undefined) return value[key];
  if (name === "ObjectMeta" || name === "ListMeta") return value.metadata;
  if (name === "TypeMeta") return value;
  return isObject(value.metadata) ? value.metadata[keyOf(value.metadata, name) ?? ""] : undefined;
}

function keyOf(object: JsonObject, name: string): string | undefined {
  if (Object.hasOwn(object, name)) return name;
  return Object.keys(object).find((key) => key.toLowerCase() === name.toLowerCase());
}

function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  return isObject(value) ? Object.keys(value).length > 0 : Boolean(value);
}

const functions: Readonly<Record<string, (...args: readonly unknown[]) => unknown>> = {
  and: (...args) => args.find((value) => !isTrue(value)) ?? args.at(-1),
  or: (...args) => args.find(isTrue) ?? args.at(-1),
  not: (value) => !isTrue(value),
  len: (value) => (typeof value === "string" || Array.isArray(value) ? value.length : Object.keys(value ?? {}).length),
  index: (value, ...steps) =>
    steps.reduce<unknown>(
      (inner, step) => (inner as Readonly<Record<string, unknown>> | undefined)?.[String(step)],
      value,
    ),
  eq: (first, ...others) => others.some((other) => other === first),
  ne: (a, b) => a !== b,
  lt: (a, b) => Number(a) < Number(b),
  le: (a, b) => Number(a) <= Number(b),
  gt: (a, b) => Number(a) > Number(b),
  ge: (a, b) => Number(a) >= Number(b),
  print: (...args) => args.map(format).join(" "),
  println: (...args) => `${args.map(format).join(" ")}\n`,
  printf: (pattern, ...args) => formatPrintf(String(pattern), args),
  join: (list, separator) => (Array.isArray(list) ? list.map(format).join(String(separator ?? "")) : format(list)),
};

function call(name: string, args: readonly unknown[]): unknown {
  const known = functions[name];
  if (known !== undefined) return known(...args);
  const hint = didYouMean(name, Object.keys(functions)) || `; known are ${Object.keys(functions).join(", ")}`;
  throw new UsageError(`-o go-template: there is no function ${name}${hint}`);
}

/** `%s`, `%v`, `%d`, `%q`, `%t` with a width. */
function formatPrintf(pattern: string, args: readonly unknown[]): string {
  let next = 0;
  return pattern.replaceAll(/%(-?)(\d*)([svdqt%])/g, (_all, left: string, width: string, verb: string) => {
    if (verb === "%") return "%";
    const value = args[next++];
    const text = verb === "q" ? JSON.stringify(value) : format(value);
    return left === "-" ? text.padEnd(Number(width)) : text.padStart(Number(width));
  });
}

/** As Go prints a value. */
function format(value: unknown): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(format).join(" ")}]`;
  if (!isObject(value)) return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, child]) => `${key}:${format(child)}`).join(" ")}]`;
}
