import { describe, expect, test } from "vitest";
import { kinds, resourceKinds } from "../../../src/resources/kinds.ts";
import { objectSchemas } from "../../../src/resources/resource.ts";
import type { AnyFieldSchema, Documentation } from "../../../src/resources/schema.ts";

/** Every field below a schema with its path, through objects and lists. */
function fieldsBelow(schema: AnyFieldSchema, path: string): [path: string, field: AnyFieldSchema & Documentation][] {
  if (schema.type === "list") return fieldsBelow(schema.items, `${path}[]`);
  if (schema.type !== "object") return [];
  return Object.entries(schema.fields).flatMap(([name, field]) => [
    [`${path}.${name}`, field] as [string, AnyFieldSchema & Documentation],
    ...fieldsBelow(field, `${path}.${name}`),
  ]);
}

describe("the documentation of kinds", () => {
  test.each(resourceKinds)("says of %s, and of every field of it, what it is for, in sentences", (kind) => {
    const sentence = /^[A-Za-z0-9](?:.|\n)*[.:)]$/;
    expect(kinds[kind].description).toMatch(sentence);
    const fields = fieldsBelow(objectSchemas[kind], kind);
    expect(fields.length).toBeGreaterThan(15);
    const without = fields.filter(([, { description }]) => !sentence.test(description ?? ""));
    expect(without.map(([path]) => path)).toEqual([]);
  });

  test.each(resourceKinds)("gives no default to a field of %s that is required, and none that is empty", (kind) => {
    const wrong = fieldsBelow(objectSchemas[kind], kind).filter(
      ([, field]) => (field.required === true && field.default !== undefined) || field.default === "",
    );
    expect(wrong.map(([path]) => path)).toEqual([]);
  });
});
