import { assertNever } from "../../core/errors.ts";
import { formatExactJson, parseExactJson } from "../../core/exact-json.ts";
import { kinds, type ResourceKind } from "../../resources/kinds.ts";
import type { JsonObject } from "../../resources/read-fields.ts";
import { type AnyResource, API_VERSION } from "../../resources/resource.ts";
import { type CommandContext, writeLine } from "../output.ts";
import { type CellFacts, columnsOf } from "./columns.ts";
import type { GetFormat } from "./get-format.ts";
import { type CustomColumn, customCells } from "./output/custom-columns.ts";
import { formatTabwriter } from "./tabwriter.ts";

/** What `get` has found: all of a kind as of a revision, or the objects that were named. */
export type Found =
  | {
      readonly type: "list";
      readonly kind: ResourceKind;
      readonly objects: readonly AnyResource[];
      readonly revision: bigint;
    }
  | { readonly type: "objects"; readonly objects: readonly AnyResource[] };

export interface WriteOptions {
  readonly withNamespace: boolean;
  /** Asked only if a cell shows it. */
  readonly clusterAsNumber: () => Promise<CellFacts["clusterAsNumber"]>;
}

/** Prints what was found as `-o` asks. */
export async function writeFound(
  context: CommandContext,
  found: Found,
  format: GetFormat,
  options: WriteOptions,
): Promise<void> {
  switch (format.type) {
    case "table":
      context.stdout.write(await formatTables(found, format.wide, options));
      return;
    case "json":
      writeLine(context, formatExactJson(wrap(found)));
      return;
    case "yaml":
      context.stdout.write((await toYaml())(wrap(found)));
      return;
    case "name":
      for (const object of found.objects) writeLine(context, objectName(object));
      return;
    case "columns":
      context.stdout.write(await formatCustomColumns(found, format.columns, options));
      return;
    case "jsonpath":
      context.stdout.write(format.render(plainJson(wrap(found))));
      return;
    case "go-template":
      context.stdout.write(format.render(plainJson(found.type === "list" ? [wrap(found)] : found.objects)));
      return;
    default:
      assertNever(format, "format");
  }
}

/** `ippools/pods-v4`, `workloadendpoints/shop/web-0` */
export function objectName({ kind, metadata }: AnyResource): string {
  return [kinds[kind].plural, ...(metadata.namespace ? [metadata.namespace] : []), metadata.name].join("/");
}

/** What JSON would be read as: the objects' own fields, and no field without a value. */
export function plainJson(value: unknown): unknown {
  return parseExactJson(formatExactJson(value, 0));
}

/** All of a kind as a list object, one object as itself, several as an array. */
function wrap(found: Found): unknown {
  if (found.type === "list")
    return {
      kind: `${found.kind}List`,
      apiVersion: API_VERSION,
      metadata: { resourceVersion: found.revision.toString() },
      items: found.objects,
    };
  const [only] = found.objects;
  return found.objects.length === 1 ? only : found.objects;
}

/** What prints a value as YAML, the keys of every level in the order of the alphabet, as calicoctl has them. */
export async function toYaml(): Promise<(value: unknown) => string> {
  const { stringify } = await import("yaml");
  return (value) => stringify(value, { lineWidth: 0, sortMapEntries: true, aliasDuplicateObjects: false });
}

/** One table per kind, in the order in which the kinds appear. */
async function formatTables(found: Found, wide: boolean, options: WriteOptions): Promise<string> {
  const kindsFound = found.type === "list" ? [found.kind] : [...new Set(found.objects.map(({ kind }) => kind))];
  const facts = await findFacts(wide, kindsFound, options);
  return kindsFound
    .map((kind) => {
      const columns = columnsOf(kind, wide, kinds[kind].namespaced && options.withNamespace);
      const rows = found.objects
        .filter((object) => object.kind === kind)
        .map((object) => columns.map(({ value }) => value(object as unknown as JsonObject, facts)));
      return formatTabwriter(
        columns.map(({ title }) => title),
        rows,
      );
    })
    .join("");
}

async function formatCustomColumns(
  found: Found,
  columns: readonly CustomColumn[],
  options: WriteOptions,
): Promise<string> {
  const facts = await findFacts(true, [...new Set(found.objects.map(({ kind }) => kind))], options);
  const rows = found.objects.map((object) => customCells(columns, object.kind, object as unknown as JsonObject, facts));
  return formatTabwriter(
    columns.map(({ title }) => title),
    rows,
  );
}

async function findFacts(
  wide: boolean,
  kindsFound: readonly ResourceKind[],
  options: WriteOptions,
): Promise<CellFacts> {
  return { clusterAsNumber: wide && kindsFound.includes("Node") ? await options.clusterAsNumber() : undefined };
}
