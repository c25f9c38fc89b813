import type { Command } from "commander";
import { didYouMean } from "../../core/nearest-name.ts";
import { kinds, type ResourceKind } from "../../resources/kinds.ts";
import { API_VERSION, objectSchemas } from "../../resources/resource.ts";
import type { AnyFieldSchema } from "../../resources/schema.ts";
import type { CommandTools } from "../command-tools.ts";
import { UsageError, writeLine } from "../output.ts";
import { parseKind } from "./reference.ts";

/** Wide enough for most terminals, narrow enough for all. */
const LINE_WIDTH = 80;

/** `calictl explain KIND[.FIELD…]`: what the schema says of a kind or of one of its fields. */
export function registerExplain(program: Command, { context }: CommandTools): void {
  program
    .command("explain")
    .description("what a kind of resource, or one of its fields, means, and which values it may have")
    .argument("<kind[.field...]>", "a kind, and the path of a field, such as ippool.spec.cidr")
    .option("--recursive", "all fields below, without their descriptions", false)
    .action((path: string, { recursive }: { recursive: boolean }) => {
      const [name = "", ...fields] = path.replaceAll(/\[\d*\]/g, "").split(".");
      const kind = parseKind(name);
      const { schema, steps } = findField(kind, fields);
      const lines = [
        ...headerOf(kind, steps, schema),
        ...section("DESCRIPTION", wrap(schema.description ?? "", "    ")),
        ...section("ALLOWED", ruleLines(schema, "    ")),
        ...section("FIELDS", recursive ? fieldTree(schema, "    ") : fieldList(schema)),
      ];
      writeLine(context, lines.join("\n"));
    });
}

interface FoundField {
  readonly schema: AnyFieldSchema;
  /** The whole path, also where `spec` was left out. */
  readonly steps: readonly string[];
}

/** Follows a path; lists are stepped through, and `spec` may be left out. Throws a `UsageError` that names the nearest field. */
function findField(kind: ResourceKind, fields: readonly string[]): FoundField {
  const whole = objectSchemas[kind];
  const [first] = fields;
  const spec = fieldsOf(whole.fields.spec);
  const steps =
    first !== undefined && !Object.hasOwn(whole.fields, first) && Object.hasOwn(spec, first)
      ? ["spec", ...fields]
      : fields;
  let schema: AnyFieldSchema = whole;
  for (const [index, step] of steps.entries()) {
    const known = fieldsOf(schema);
    const next = Object.hasOwn(known, step) ? known[step] : undefined;
    if (next === undefined) {
      const at = [kind, ...steps.slice(0, index)].join(".");
      const names = Object.keys(known);
      const hint = didYouMean(step, [...names, ...(index === 0 ? Object.keys(spec) : [])]);
      const what = names.length === 0 ? "; it has no fields" : hint || `; it has ${names.join(", ")}`;
      throw new UsageError(`${at} has no field "${step}"${what}`);
    }
    schema = next;
  }
  return { schema, steps };
}

/** The fields of an object, or of the objects of a list. */
function fieldsOf(schema: AnyFieldSchema | undefined): Readonly<Record<string, AnyFieldSchema>> {
  if (schema?.type === "list") return fieldsOf(schema.items);
  return schema?.type === "object" ? schema.fields : {};
}

function headerOf(kind: ResourceKind, steps: readonly string[], schema: AnyFieldSchema): string[] {
  const { plural, aliases, namespaced } = kinds[kind];
  const names = [...new Set([plural, ...aliases])].filter((name) => name !== kind.toLowerCase());
  const header = [`KIND:     ${kind}`, `VERSION:  ${API_VERSION}`];
  if (steps.length > 0) return [...header, `FIELD:    ${steps.join(".")} <${typeName(schema)}>${requiredMark(schema)}`];
  return [...header, `NAMES:    ${names.join(", ")}`, `SCOPE:    ${namespaced ? "namespace" : "cluster"}`];
}

/** What may stand there, as far as the schema knows it. */
function ruleLines(schema: AnyFieldSchema, indent: string): string[] {
  const rules: string[] = [];
  const inner = schema.type === "list" ? schema.items : schema;
  if ("values" in inner && inner.values !== undefined) rules.push(`one of ${inner.values.join(", ")}`);
  if (inner.type === "integer") rules.push(`${inner.min} to ${inner.max}`);
  if (inner.type === "numberOrText") rules.push(`a number from ${inner.min ?? 0} to ${inner.max}, or a text`);
  if (inner.type === "asNumber") rules.push("0 to 4294967295, also as the text HIGH.LOW");
  if (inner.type === "text" && inner.maxLength !== undefined) rules.push(`at most ${inner.maxLength} characters`);
  if (schema.type === "list") {
    if (schema.minItems !== undefined) rules.push(`at least ${schema.minItems} items`);
    if (schema.maxItems !== undefined) rules.push(`at most ${schema.maxItems} items`);
    if (schema.unique === true) rules.push("no item twice");
  }
  if (schema.unit !== undefined) rules.push(`unit: ${schema.unit}`);
  if (schema.default !== undefined) rules.push(`default: ${schema.default}`);
  return rules.flatMap((rule) => wrap(rule, indent));
}

function fieldList(schema: AnyFieldSchema): string[] {
  return Object.entries(fieldsOf(schema)).flatMap(([name, field]) => [
    `    ${name} <${typeName(field)}>${requiredMark(field)}`,
    ...wrap(field.description ?? "", "        "),
    ...ruleLines(field, "        "),
    "",
  ]);
}

function fieldTree(schema: AnyFieldSchema, indent: string): string[] {
  return Object.entries(fieldsOf(schema)).flatMap(([name, field]) => [
    `${indent}${name} <${typeName(field)}>${requiredMark(field)}`,
    ...fieldTree(field, `${indent}  `),
  ]);
}

const typeNames: Record<Exclude<AnyFieldSchema["type"], "list">, string> = {
  text: "text",
  integer: "integer",
  number: "number",
  asNumber: "AS number",
  boolean: "true or false",
  numberOrText: "number or text",
  map: "texts by name",
  object: "object",
  any: "any JSON",
};

function typeName(schema: AnyFieldSchema): string {
  return schema.type === "list" ? `list of ${typeName(schema.items)}` : typeNames[schema.type];
}

function requiredMark(schema: AnyFieldSchema): string {
  return schema.required === true ? " (required)" : "";
}

function section(title: string, lines: readonly string[]): string[] {
  const end = lines.at(-1) === "" ? -1 : undefined;
  return lines.length === 0 ? [] : ["", `${title}:`, ...lines.slice(0, end)];
}

function wrap(text: string, indent: string): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    if (line !== indent && line.length + word.length >= LINE_WIDTH) {
      lines.push(line);
      line = indent;
    }
    line += line === indent ? word : ` ${word}`;
  }
  return line === indent ? lines : [...lines, line];
}
