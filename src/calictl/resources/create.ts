import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import type { ChangeOptions } from "./change-set.ts";
import { changeSet } from "./change-set.ts";
import { readManifestItems } from "./manifest-items.ts";
import { type FileOptions, withDryRunOption, withFileOptions, withScopeOptions } from "./options.ts";
import { isRefusal } from "./refusal.ts";

interface CreateOptions extends FileOptions, ChangeOptions {
  readonly skipExists: boolean;
}

/** `calictl create -f …`: new objects only. */
export function registerCreate(program: Command, tools: CommandTools): void {
  const command = program.command("create").description("create the resources of manifests, which must not exist yet");
  withDryRunOption(withScopeOptions(withFileOptions(command)))
    .option("--skip-exists", "a resource that exists already stays as it is and is no failure", false)
    .action((options: CreateOptions) => create(tools, options));
}

async function create(tools: CommandTools, options: CreateOptions): Promise<void> {
  const items = await readManifestItems(tools.context, options);
  const verb = { name: "create", past: "created", leftOut: "existed already" };
  await changeSet(tools, options, verb, items, async (client, { entry }) => {
    try {
      await client.create(entry.resource);
      return true;
    } catch (error) {
      if (options.skipExists && isRefusal(error, "RESOURCE_EXISTS")) return false;
      throw error;
    }
  });
}
