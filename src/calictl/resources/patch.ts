import { type Command, Option } from "commander";
import { errorMessage } from "../../core/errors.ts";
import { isTooDeep, tooDeep } from "../../core/yaml-depth.ts";
import type { CommandTools } from "../command-tools.ts";
import { UsageError, writeLine } from "../output.ts";
import { type ChangeOptions, changeSet } from "./change-set.ts";
import { editResource } from "./edit-resource.ts";
import { withDryRunOption, withScopeOptions } from "./options.ts";
import { applyJsonPatch } from "./patch/json-patch.ts";
import { applyMergePatch } from "./patch/merge-patch.ts";
import { applyStrategicMergePatch } from "./patch/strategic-merge-patch.ts";
import { parseKind, referenceTo } from "./reference.ts";

const appliers = { strategic: applyStrategicMergePatch, merge: applyMergePatch, json: applyJsonPatch };
type PatchType = keyof typeof appliers;

interface PatchOptions extends ChangeOptions {
  readonly patch: string;
  readonly type: PatchType;
}

/** `calictl patch KIND NAME -p PATCH`. */
export function registerPatch(program: Command, tools: CommandTools): void {
  const command = program
    .command("patch")
    .description("change fields of a resource")
    .argument("<kind>", "a kind or one of its short names")
    .argument("<name>", "its name")
    .requiredOption("-p, --patch <patch>", "what to change, as JSON or YAML")
    .addOption(
      new Option(
        "-t, --type <type>",
        "how the patch is meant: strategic and merge by fields, json a list of operations",
      )
        .choices(Object.keys(appliers))
        .default("strategic"),
    );
  withDryRunOption(withScopeOptions(command)).action((kind: string, name: string, options: PatchOptions) =>
    patch(tools, kind, name, options),
  );
}

async function patch(tools: CommandTools, kind: string, name: string, options: PatchOptions): Promise<void> {
  const item = referenceTo(parseKind(kind), name, options.namespace);
  const wanted = await parsePatch(options.patch);
  const apply = appliers[options.type];
  await changeSet(tools, options, { name: "patch", past: "patched", quiet: true }, [item], async (client) => {
    await editResource(client, item, (resource) => apply(resource, wanted));
    return true;
  });
  const done = options.dryRun ? "Dry run: nothing was changed; would have" : "Successfully";
  writeLine(tools.context, `${done} patched 1 '${item.kind}' resource`);
}

/** JSON is YAML, too. */
async function parsePatch(text: string): Promise<unknown> {
  const { Parser, parseDocument } = await import("yaml");
  if (isTooDeep([...new Parser().parse(text)])) throw new UsageError(`-p: ${tooDeep}`);
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw new UsageError(`-p is neither JSON nor YAML: ${problem.message}`);
  try {
    const value: unknown = document.toJS();
    JSON.stringify(value); // an alias may point at what contains it
    return value;
  } catch (error) {
    throw new UsageError(`-p is neither JSON nor YAML: ${errorMessage(error)}`);
  }
}
