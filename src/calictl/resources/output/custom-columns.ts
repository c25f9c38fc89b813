import type { ResourceKind } from "../../../resources/kinds.ts";
import type { JsonObject } from "../../../resources/read-fields.ts";
import { UsageError } from "../../output.ts";
import { type CellFacts, columnsOf } from "../columns.ts";
import { evaluateJsonPath, type JsonPath, parseJsonPath } from "./json-path.ts";
import { formatValue } from "./json-path-template.ts";

/** A column of `-o custom-columns=`: one of the kind's own by its title, as calicoctl has it, or a path, as kubectl has it. */
export interface CustomColumn {
  readonly title: string;
  readonly path?: JsonPath;
}

/** Reads `NAME,CIDR` or `NAME:.metadata.name,NODE:.spec.node`. Throws a `UsageError`. */
export function parseCustomColumns(text: string): readonly CustomColumn[] {
  const columns = text.split(",").map((entry): CustomColumn => {
    const at = entry.indexOf(":");
    const title = (at < 0 ? entry : entry.slice(0, at)).trim();
    if (title === "")
      throw new UsageError(`-o custom-columns=${text}: a title is missing; write TITLE,… or TITLE:PATH,…`);
    if (at < 0) return { title: title.toUpperCase() };
    return { title, path: parseJsonPath(entry.slice(at + 1).replace(/^\s*\{(.*)\}\s*$/, "$1")) };
  });
  return columns;
}

/** The cells of one object. Throws a `UsageError` for a title that the kind does not have. */
export function customCells(
  columns: readonly CustomColumn[],
  kind: ResourceKind,
  object: JsonObject,
  facts: CellFacts,
): string[] {
  const known = new Map(columnsOf(kind, true, true).map((column) => [column.title, column]));
  for (const column of columnsOf(kind, false, true)) known.set(column.title, column);
  return columns.map(({ title, path }) => {
    if (path !== undefined) {
      const values = evaluateJsonPath(path, object);
      return values.length === 0 ? "<none>" : values.map(formatValue).join(",");
    }
    const column = known.get(title);
    if (column !== undefined) return column.value(object, facts);
    const titles = [...known.keys()].join(", ");
    throw new UsageError(`-o custom-columns: ${kind} has no column ${title}; it has ${titles}, or write ${title}:PATH`);
  });
}
