import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { type ChangeOptions, changeSet } from "./change-set.ts";
import { readManifestItems } from "./manifest-items.ts";
import { type FileOptions, withDryRunOption, withFileOptions, withScopeOptions } from "./options.ts";

/** `calictl replace -f …`: existing objects only. */
export function registerReplace(program: Command, tools: CommandTools): void {
  const command = program.command("replace").description("replace the resources of manifests, which must exist");
  withDryRunOption(withScopeOptions(withFileOptions(command))).action((options: FileOptions & ChangeOptions) =>
    replace(tools, options),
  );
}

async function replace(tools: CommandTools, options: FileOptions & ChangeOptions): Promise<void> {
  const items = await readManifestItems(tools.context, options);
  await changeSet(tools, options, { name: "replace", past: "replaced" }, items, async (client, { entry }) => {
    await client.replace(entry.resource);
    return true;
  });
}
