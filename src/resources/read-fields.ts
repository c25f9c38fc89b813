import { assertNever } from "../core/errors.ts";
import { didYouMean } from "../core/nearest-name.ts";
import { parseAsNumber } from "./as-number.ts";
import type { FieldPath, FieldProblem } from "./field-problem.ts";
import type {
  AnyFieldSchema,
  AnyListSchema,
  AnyObjectSchema,
  MapSchema,
  NumberOrTextSchema,
  TextSchema,
} from "./schema.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** Reads untrusted JSON by a schema: canonical values in the schema's order, and every problem on the way. */
export class FieldReader {
  readonly problems: FieldProblem[] = [];
  readonly #unknownFields: "report" | "keep";

  /** `unknownFields`: people's files must have none; what newer software has stored is kept, after the known ones. */
  constructor(unknownFields: "report" | "keep") {
    this.#unknownFields = unknownFields;
  }

  report(path: FieldPath, value: unknown, reason: string): undefined {
    this.problems.push({ path, value, reason });
    return undefined;
  }

  /** Undefined if the value is no object (which is reported). */
  readObject(schema: AnyObjectSchema, value: unknown, path: FieldPath): JsonObject | undefined {
    if (!isObject(value)) return this.report(path, value, "must be an object");
    const entries: [string, unknown][] = [];
    for (const [name, field] of Object.entries(schema.fields)) {
      const given = Object.hasOwn(value, name) ? value[name] : undefined;
      // Most fields of most objects are absent, and a path for each would be a good part of all the work.
      if (given === undefined && field.required !== true && field.zero !== "fill") continue;
      const read = this.#readPresent(field, given, [...path, name]);
      if (read !== undefined) entries.push([name, read]);
    }
    for (const [name, given] of Object.entries(value)) {
      if (Object.hasOwn(schema.fields, name)) continue;
      if (this.#unknownFields === "keep") entries.push([name, given]);
      else this.#reportUnknown(schema, name, given, path);
    }
    return Object.fromEntries(entries);
  }

  #reportUnknown(schema: AnyObjectSchema, name: string, value: unknown, path: FieldPath): void {
    this.report([...path, name], value, `is not a field here${didYouMean(name, Object.keys(schema.fields))}`);
  }

  #readPresent(schema: AnyFieldSchema, given: unknown, path: FieldPath): unknown {
    const zero = schema.zero ?? "omit";
    const absent = given === undefined || given === null || (zero === "omit" && isZero(given));
    if (zero === "fill" && given === zeroOf(schema)) return given;
    if (!absent) return this.#read(schema, given, path);
    if (schema.required === true) return this.report(path, given, "is required");
    if (zero !== "fill") return undefined;
    return schema.type === "object" ? this.readObject(schema, {}, path) : zeroOf(schema);
  }

  #read(schema: AnyFieldSchema, given: unknown, path: FieldPath): unknown {
    // No field of ours counts further than a double does; only unknown ones and `any` keep a bigint.
    const value = typeof given === "bigint" && schema.type !== "any" ? Number(given) : given;
    switch (schema.type) {
      case "text":
        return this.#readText(schema, value, path);
      case "integer":
        if (typeof value === "number" && Number.isInteger(value) && value >= schema.min && value <= schema.max)
          return value;
        return this.report(path, value, `must be an integer from ${schema.min} to ${schema.max}`);
      case "asNumber":
        return (
          parseAsNumber(value) ?? this.report(path, value, "must be an AS number: 0 to 4294967295, or dotted in quotes")
        );
      case "boolean":
        return typeof value === "boolean" ? value : this.report(path, value, "must be true or false");
      case "numberOrText":
        return this.#readNumberOrText(schema, value, path);
      case "list":
        return this.#readList(schema, value, path);
      case "number":
        return typeof value === "number" ? value : this.report(path, value, "must be a number");
      case "map":
        return this.#readMap(schema, value, path);
      case "object":
        return this.readObject(schema, value, path);
      case "any":
        return value;
      default:
        return assertNever(schema, "schema");
    }
  }

  #readList(schema: AnyListSchema, value: unknown, path: FieldPath): unknown[] | undefined {
    if (!Array.isArray(value)) return this.report(path, value, "must be a list");
    const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = schema;
    if (value.length < minItems) return this.report(path, value, `must have at least ${minItems} item`);
    if (value.length > maxItems)
      return this.report(path, `${value.length} items`, `must have at most ${maxItems} items`);
    const items = value.map((item, index) => this.#read(schema.items, item, [...path, index]));
    if (schema.unique === true)
      for (const [index, item] of items.entries())
        if (item !== undefined && items.indexOf(item) < index)
          this.report([...path, index], item, "must not be in the list twice");
    return items;
  }

  #readText(schema: TextSchema, value: unknown, path: FieldPath): string | undefined {
    if (typeof value !== "string") return this.report(path, value, "must be a text; put it in quotes");
    if (schema.values !== undefined && !isAllowed(schema.values, value, schema.anyCase))
      return this.report(path, value, `must be one of ${schema.values.join(", ")}${didYouMean(value, schema.values)}`);
    if (schema.maxLength !== undefined && value.length > schema.maxLength)
      return this.report(path, value, `must have at most ${schema.maxLength} characters, not ${value.length}`);
    const result = schema.format?.(value) ?? { text: value };
    return "text" in result ? result.text : this.report(path, value, result.problem);
  }

  #readNumberOrText(schema: NumberOrTextSchema, value: unknown, path: FieldPath): number | string | undefined {
    const { min = 0, max } = schema;
    if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
    if (typeof value === "string" && schema.values?.includes(value) !== false) {
      const result = schema.format?.(value) ?? { text: value };
      return "text" in result ? result.text : this.report(path, value, result.problem);
    }
    const names = schema.values === undefined ? "a name" : `one of ${schema.values.join(", ")}`;
    return this.report(path, value, `must be a number from ${min} to ${max} or ${names}`);
  }

  #readMap(schema: MapSchema, value: unknown, path: FieldPath): JsonObject | undefined {
    if (!isObject(value)) return this.report(path, value, "must map names to texts");
    const entries: [string, string][] = [];
    for (const [name, given] of Object.entries(value)) {
      const key = schema.keyFormat?.(name) ?? { text: name };
      if ("problem" in key) this.report([...path, name], name, key.problem);
      const text = this.#readText({ type: "text", ...(schema.valueFormat && { format: schema.valueFormat }) }, given, [
        ...path,
        name,
      ]);
      if (text !== undefined) entries.push([name, text]);
    }
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
  }
}

/** `next` with the fields of `stored` that the schema doesn't know, at every level of objects (not inside lists). */
export function keepUnknownFields(schema: AnyObjectSchema, stored: JsonObject, next: JsonObject): JsonObject {
  const unknown = Object.entries(stored).filter(([name]) => !Object.hasOwn(schema.fields, name));
  const merged = Object.entries(next).map(([name, value]): [string, unknown] => {
    const field = schema.fields[name];
    const before = stored[name];
    const nested = field?.type === "object" && isObject(value) && isObject(before);
    return [name, nested ? keepUnknownFields(field, before, value) : value];
  });
  return Object.fromEntries([...unknown, ...merged]);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAllowed(values: readonly string[], value: string, anyCase = false): boolean {
  return values.some((allowed) => allowed === value || (anyCase && allowed.toLowerCase() === value.toLowerCase()));
}

function isZero(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === "" || value === 0 || value === false;
}

function zeroOf(schema: AnyFieldSchema): unknown {
  switch (schema.type) {
    case "text":
      return "";
    case "boolean":
      return false;
    case "list":
      return [];
    case "map":
    case "object":
    case "any":
      return {};
    case "integer":
    case "number":
    case "asNumber":
    case "numberOrText":
      return 0;
    default:
      return assertNever(schema, "schema");
  }
}
