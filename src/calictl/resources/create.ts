import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { readManifests } from "./manifest-files.ts";
import { type FileOptions, type ScopeOptions, withFileOptions, withScopeOptions } from "./options.ts";
import { isRefusal } from "./refusal.ts";
import { runSet } from "./run-set.ts";

interface CreateOptions extends FileOptions, ScopeOptions {
  readonly skipExists: boolean;
}

/** `calictl create -f …`: new objects only. */
export function registerCreate(program: Command, tools: CommandTools): void {
  const command = program.command("create").description("create the resources of manifests, which must not exist yet");
  withScopeOptions(withFileOptions(command))
    .option("--skip-exists", "a resource that exists already stays as it is and is no failure", false)
    .action((options: CreateOptions) => create(tools, options));
}

async function create({ context, withDatastore, resourceClient }: CommandTools, options: CreateOptions): Promise<void> {
  const entries = await readManifests(context, options);
  const verb = { name: "create", past: "created", leftOut: "existed already" };
  await withDatastore(options.config, async (datastore) => {
    const client = resourceClient(datastore);
    const items = entries.map((entry) => ({ kind: entry.resource.kind, entry }));
    await runSet(context, verb, items, async ({ entry }) => {
      try {
        await client.create(entry.resource);
        return true;
      } catch (error) {
        if (options.skipExists && isRefusal(error, "RESOURCE_EXISTS")) return false;
        throw error;
      }
    });
  });
}
