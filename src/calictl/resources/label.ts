import type { Command } from "commander";
import { CalibirdError } from "../../core/errors.ts";
import { labelKey, labelValue } from "../../resources/text-formats.ts";
import type { CommandTools } from "../command-tools.ts";
import { UsageError, writeLine } from "../output.ts";
import { type ChangeOptions, changeSet } from "./change-set.ts";
import { editResource } from "./edit-resource.ts";
import { withDryRunOption, withScopeOptions } from "./options.ts";
import { parseKind, referenceTo } from "./reference.ts";

interface LabelOptions extends ChangeOptions {
  readonly overwrite: boolean;
  readonly remove: boolean;
}

type LabelErrorCode = "LABEL_EXISTS" | "LABEL_NOT_FOUND";

/** A label that is there and shall not be overwritten, or is not there and shall be removed. */
class LabelError extends CalibirdError<LabelErrorCode> {}

/** `calictl label KIND NAME KEY=VALUE` or `KEY --remove`. */
export function registerLabel(program: Command, tools: CommandTools): void {
  const command = program
    .command("label")
    .description("set or remove a label of a resource")
    .argument("<kind>", "a kind or one of its short names")
    .argument("<name>", "its name")
    .argument("<label>", "KEY=VALUE, or KEY with --remove")
    .option("--overwrite", "give a label that is there another value", false)
    .option("--remove", "take the label away", false);
  withDryRunOption(withScopeOptions(command)).action(
    (kind: string, name: string, label: string, options: LabelOptions) => setLabel(tools, kind, name, label, options),
  );
}

async function setLabel(
  tools: CommandTools,
  kind: string,
  name: string,
  label: string,
  options: LabelOptions,
): Promise<void> {
  const { key, value } = options.remove ? parseKey(label) : parseLabel(label);
  const item = referenceTo(parseKind(kind), name, options.namespace);
  let done = "";
  await changeSet(tools, options, { name: "label", past: "labelled", quiet: true }, [item], async (client) => {
    await editResource(client, item, (resource) => {
      const { labels: before = {} } = resource.metadata;
      const labels = new Map(Object.entries(before));
      const exists = labels.has(key);
      if (value === undefined) {
        if (!exists) throw new LabelError("LABEL_NOT_FOUND", `${kind} ${name} has no label ${key}`, { key });
        labels.delete(key);
        done = `removed label ${key} from ${kind} ${name}`;
      } else {
        if (exists && !options.overwrite)
          throw new LabelError(
            "LABEL_EXISTS",
            `${kind} ${name} has the label ${key}=${before[key]} already; --overwrite replaces it`,
            { key },
          );
        labels.set(key, value);
        done = `${exists ? "updated" : "set"} label ${key} on ${kind} ${name}`;
      }
      const { labels: _, ...metadata } = resource.metadata;
      return { ...resource, metadata: { ...metadata, ...(labels.size > 0 && { labels: Object.fromEntries(labels) }) } };
    });
    return true;
  });
  writeLine(
    tools.context,
    options.dryRun ? `Dry run: nothing was changed; would have ${done}` : `Successfully ${done}`,
  );
}

function parseKey(text: string): { key: string; value: undefined } {
  if (text.includes("=")) throw new UsageError(`"${text}": --remove takes the key of a label alone`);
  return { key: text, value: undefined };
}

function parseLabel(text: string): { key: string; value: string } {
  const at = text.indexOf("=");
  if (at < 0) throw new UsageError(`"${text}" must be KEY=VALUE, or KEY with --remove`);
  const [key, value] = [text.slice(0, at), text.slice(at + 1)];
  const problems = [labelKey(key), labelValue(value)].flatMap((result) =>
    "problem" in result ? [result.problem] : [],
  );
  if (problems.length > 0) throw new UsageError(`the label "${text}" ${problems.join("; ")}`);
  return { key, value };
}
