import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { type ChangeOptions, changeSet } from "./change-set.ts";
import { readManifestItems } from "./manifest-items.ts";
import { type FileOptions, withDryRunOption, withFileOptions, withScopeOptions } from "./options.ts";

/** `calictl apply -f …`: creates what is not there and replaces what is. */
export function registerApply(program: Command, tools: CommandTools): void {
  const command = program.command("apply").description("create or replace the resources of manifests");
  withDryRunOption(withScopeOptions(withFileOptions(command))).action((options: FileOptions & ChangeOptions) =>
    apply(tools, options),
  );
}

async function apply(tools: CommandTools, options: FileOptions & ChangeOptions): Promise<void> {
  const items = await readManifestItems(tools.context, options);
  await changeSet(tools, options, { name: "apply", past: "applied" }, items, async (client, { entry }) => {
    await client.apply(entry.resource);
    return true;
  });
}
