import { readFileSync } from "node:fs";
import { errorMessage } from "../../core/errors.ts";
import { didYouMean } from "../../core/nearest-name.ts";
import { UsageError } from "../output.ts";
import { type CustomColumn, parseCustomColumns } from "./output/custom-columns.ts";
import { compileGoTemplate } from "./output/go-template.ts";
import { parseJsonPathTemplate } from "./output/json-path-template.ts";

/** What `get -o` asks for. */
export type GetFormat =
  | { readonly type: "table"; readonly wide: boolean }
  | { readonly type: "yaml" | "json" | "name" }
  | { readonly type: "columns"; readonly columns: readonly CustomColumn[] }
  /** Fills a template with what was found, as JSON has it. */
  | { readonly type: "jsonpath"; readonly render: (value: unknown) => string }
  /** As `jsonpath`, but the value is in a list, as calicoctl's templates expect it. */
  | { readonly type: "go-template"; readonly render: (value: unknown) => string };

const plain: Readonly<Record<string, GetFormat>> = {
  ps: { type: "table", wide: false },
  table: { type: "table", wide: false },
  wide: { type: "table", wide: true },
  yaml: { type: "yaml" },
  json: { type: "json" },
  name: { type: "name" },
};

const withArgument: Readonly<Record<string, (argument: string) => GetFormat>> = {
  "custom-columns": (argument) => ({ type: "columns", columns: parseCustomColumns(argument) }),
  "custom-columns-file": (path) => ({ type: "columns", columns: parseCustomColumns(columnsOfFile(path)) }),
  jsonpath: (argument) => ({ type: "jsonpath", render: parseJsonPathTemplate(argument) }),
  "jsonpath-file": (path) => ({ type: "jsonpath", render: parseJsonPathTemplate(readTemplate(path)) }),
  "go-template": (argument) => ({ type: "go-template", render: compileGoTemplate(argument) }),
  "go-template-file": (path) => ({ type: "go-template", render: compileGoTemplate(readTemplate(path)) }),
};

/** Reads `-o` of `get`; throws a `UsageError` that lists what there is, or says what is wrong with a template. */
export function parseGetFormat(text = "ps"): GetFormat {
  const known = plain[text];
  if (known !== undefined) return known;
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  const create = withArgument[name];
  if (create !== undefined && at >= 0) return create(text.slice(at + 1));
  if (create !== undefined) throw new UsageError(`-o ${name}: write -o ${name}=… with what it shall print`);
  const names = [...Object.keys(plain), ...Object.keys(withArgument)];
  throw new UsageError(
    `-o ${text}: get prints ps, wide, yaml, json, name, ${Object.keys(withArgument).join("=…, ")}=…${didYouMean(name, names)}`,
  );
}

/** A line of titles and a line of paths, as kubectl has it. */
function columnsOfFile(path: string): string {
  const [titles = [], paths = []] = readTemplate(path)
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));
  return titles.map((title, index) => (paths[index] === undefined ? title : `${title}:${paths[index]}`)).join(",");
}

function readTemplate(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${errorMessage(error)}`);
  }
}
