import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { plainFormats } from "../command-tools.ts";
import { parseOutputFormat, writeLine, writeStructured } from "../output.ts";
import { planSet } from "./change-set.ts";
import { readManifestItems } from "./manifest-items.ts";
import { type FileOptions, type ScopeOptions, withFileOptions, withScopeOptions } from "./options.ts";
import { formatChange, type PlannedChange } from "./planned-change.ts";

/** `calictl diff -f …`: what `apply` would change. */
export function registerDiff(program: Command, tools: CommandTools): void {
  const command = program
    .command("diff")
    .description("what apply would change, field by field; exit status 0 nothing, 1 something, 2 it failed");
  withScopeOptions(withFileOptions(command)).action(async (options: FileOptions & ScopeOptions) => {
    // As with kubectl, 1 says that there are differences.
    tools.setFailureStatus(2);
    await diff(tools, options);
  });
}

async function diff(tools: CommandTools, options: FileOptions & ScopeOptions): Promise<void> {
  const { context } = tools;
  const format = parseOutputFormat(tools.output(), plainFormats);
  const items = await readManifestItems(context, options);
  const changes: PlannedChange[] = [];
  const verb = { name: "diff", past: "compared", quiet: true };
  try {
    await planSet(
      tools,
      options,
      verb,
      items,
      async (client, { entry }) => {
        await client.apply(entry.resource);
        return true;
      },
      (change) => changes.push(change),
    );
  } finally {
    const differing = changes.filter(({ change }) => change !== "unchanged");
    if (format === "json" || format === "yaml") await writeStructured(context, differing, format);
    else for (const change of differing) writeLine(context, formatChange(change, context.colour));
    if (differing.length > 0) tools.setStatus(1);
  }
}
