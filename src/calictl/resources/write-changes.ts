import { formatExactJson } from "../../core/exact-json.ts";
import { kinds, type ResourceKind } from "../../resources/kinds.ts";
import type { JsonObject } from "../../resources/read-fields.ts";
import type { AnyResource } from "../../resources/resource.ts";
import { type CommandContext, writeLine } from "../output.ts";
import { type CellFacts, columnsOf } from "./columns.ts";
import type { GetFormat } from "./get-format.ts";
import { customCells } from "./output/custom-columns.ts";
import { columnWidths, formatCells } from "./tabwriter.ts";
import { objectName, plainJson, toYaml, type WriteOptions } from "./write-found.ts";

/** What has happened to an object; of a deleted one its last state. */
export interface ObjectChange {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly object: AnyResource;
}

export interface ChangeWriter {
  /** The objects that are there at the beginning. */
  readonly begin: (changes: readonly ObjectChange[]) => void;
  readonly write: (changes: readonly ObjectChange[]) => void;
}

/** What prints changes as `-o` asks: tables with a column EVENT, JSON a line each, YAML a document each, templates one each. */
export async function createChangeWriter(
  context: CommandContext,
  kind: ResourceKind,
  format: GetFormat,
  options: WriteOptions,
): Promise<ChangeWriter> {
  if (format.type === "table" || format.type === "columns") return tableWriter(context, kind, format, options);
  const yaml = format.type === "yaml" ? await toYaml() : undefined;
  const writeOne = (change: ObjectChange) => {
    const { object } = change;
    if (format.type === "json") writeLine(context, formatExactJson(change, 0));
    else if (format.type === "name") writeLine(context, objectName(object));
    else if (format.type === "jsonpath") context.stdout.write(format.render(plainJson(object)));
    else if (format.type === "go-template") context.stdout.write(format.render(plainJson([object])));
    else context.stdout.write(`---\n${yaml?.(change) ?? ""}`);
  };
  const write = (changes: readonly ObjectChange[]) => {
    for (const change of changes) writeOne(change);
  };
  return { begin: write, write };
}

async function tableWriter(
  context: CommandContext,
  kind: ResourceKind,
  format: Extract<GetFormat, { readonly type: "table" | "columns" }>,
  options: WriteOptions,
): Promise<ChangeWriter> {
  const wide = format.type === "columns" || format.wide;
  const facts: CellFacts = {
    clusterAsNumber: wide && kind === "Node" ? await options.clusterAsNumber() : undefined,
  };
  const columns = columnsOf(kind, wide, kinds[kind].namespaced && options.withNamespace);
  const titles = ["EVENT", ...(format.type === "columns" ? format.columns : columns).map(({ title }) => title)];
  const cellsOf = ({ type, object }: ObjectChange) => {
    const json = object as unknown as JsonObject;
    if (format.type === "columns") return [type, ...customCells(format.columns, kind, json, facts)];
    return [type, ...columns.map(({ value }) => value(json, facts))];
  };
  // Wide enough for the longest event.
  let widths = columnWidths(titles, [["MODIFIED"]]);
  return {
    begin(changes) {
      const rows = changes.map(cellsOf);
      widths = columnWidths(titles, [["MODIFIED"], ...rows]);
      for (const cells of [titles, ...rows]) writeLine(context, formatCells(cells, widths));
    },
    write(changes) {
      for (const change of changes) writeLine(context, formatCells(cellsOf(change), widths));
    },
  };
}
