import type { Command } from "commander";
import { errorMessage } from "../../core/errors.ts";
import { formatExactJson } from "../../core/exact-json.ts";
import { isTooDeep, tooDeep } from "../../core/yaml-depth.ts";
import { formatProblem } from "../../resources/field-problem.ts";
import { isObject, type JsonObject } from "../../resources/read-fields.ts";
import { readResource } from "../../resources/resource.ts";
import type { CommandTools } from "../command-tools.ts";
import { UsageError, writeLine } from "../output.ts";
import { readSources } from "../resources/manifest-files.ts";
import { type FileOptions, withFileOptions } from "../resources/options.ts";
import { CommandFailure } from "../resources/run-set.ts";
import { toYaml } from "../resources/write-found.ts";
import { convertObject } from "./v1-objects.ts";

interface ConvertOptions extends FileOptions {
  readonly ignoreValidation: boolean;
}

/** `calictl convert -f …`: manifests of Calico's API v1 as v3. */
export function registerConvert(program: Command, tools: CommandTools): void {
  const command = program.command("convert").description("print manifests of Calico's API v1 as manifests of v3");
  withFileOptions(command)
    .option("--ignore-validation", "print also what v3 would not take", false)
    .action((options: ConvertOptions) => convert(tools, options));
}

async function convert({ context, output }: CommandTools, options: ConvertOptions): Promise<void> {
  const format = output() ?? "yaml";
  if (format !== "yaml" && format !== "json") throw new UsageError(`-o ${format}: convert prints yaml or json`);
  const { filename = [] } = options;
  if (filename.length === 0) throw new UsageError("-f FILE is missing; - reads standard input");
  const objects: JsonObject[] = [];
  const problems: string[] = [];
  for (const { name, content } of await readSources(context, filename, options))
    for (const { where, value } of await readValues(name, content)) {
      const converted = convertObject(value);
      if (isProblem(converted)) problems.push(`${where}: ${converted.problem}`);
      else {
        objects.push(converted);
        if (!options.ignoreValidation) problems.push(...problemsOf(converted).map((text) => `${where}: ${text}`));
      }
    }
  if (problems.length > 0)
    throw new CommandFailure("NOTHING_DONE", `failed to convert, because of:\n${problems.join("\n")}`);
  if (objects.length === 0) {
    writeLine(context, "No resources specified");
    return;
  }
  const printed = objects.length === 1 ? objects[0] : objects;
  if (format === "json") writeLine(context, formatExactJson(printed));
  else context.stdout.write((await toYaml())(printed));
}

function isProblem(converted: object): converted is { readonly problem: string } {
  return "problem" in converted;
}

/** What v3 would say to it. */
function problemsOf(object: JsonObject): string[] {
  const { metadata } = object;
  const named =
    object.kind === "NetworkPolicy" && isObject(metadata) ? { namespace: "default", ...metadata } : metadata;
  const result = readResource({ ...object, metadata: named }, { unknownFields: "report", rules: true });
  return result.problems.map((problem) => `error with field ${formatProblem(String(object.kind), problem)}`);
}

/** The objects of a file: of its documents, of lists, and of `List` kinds. */
async function readValues(file: string, content: string): Promise<{ where: string; value: unknown }[]> {
  const { Parser, parseAllDocuments } = await import("yaml");
  if (isTooDeep([...new Parser().parse(content)])) throw new UsageError(`${file}: ${tooDeep}`);
  const documents = parseAllDocuments(content);
  if (!Array.isArray(documents)) return [];
  return documents.flatMap((document, index) => {
    const where = `${file}: document ${index + 1}`;
    const [problem] = document.errors;
    if (problem !== undefined) throw new CommandFailure("NOTHING_DONE", `${where}: ${problem.message}`);
    try {
      const value: unknown = document.toJS();
      JSON.stringify(value); // an alias may point at what contains it
      return objectsIn(value).map((object) => ({ where, value: object }));
    } catch (error) {
      throw new CommandFailure("NOTHING_DONE", `${where}: ${errorMessage(error)}`);
    }
  });
}

function objectsIn(value: unknown): unknown[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap(objectsIn);
  return isObject(value) && Array.isArray(value.items) ? value.items.flatMap(objectsIn) : [value];
}
