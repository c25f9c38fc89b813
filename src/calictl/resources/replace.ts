import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { readManifests } from "./manifest-files.ts";
import { type FileOptions, type ScopeOptions, withFileOptions, withScopeOptions } from "./options.ts";
import { runSet } from "./run-set.ts";

/** `calictl replace -f …`: existing objects only. */
export function registerReplace(program: Command, tools: CommandTools): void {
  const command = program.command("replace").description("replace the resources of manifests, which must exist");
  withScopeOptions(withFileOptions(command)).action((options: FileOptions & ScopeOptions) => replace(tools, options));
}

async function replace(
  { context, withDatastore, resourceClient }: CommandTools,
  options: FileOptions & ScopeOptions,
): Promise<void> {
  const entries = await readManifests(context, options);
  await withDatastore(options.config, async (datastore) => {
    const client = resourceClient(datastore);
    const items = entries.map((entry) => ({ kind: entry.resource.kind, entry }));
    await runSet(context, { name: "replace", past: "replaced" }, items, async ({ entry }) => {
      await client.replace(entry.resource);
      return true;
    });
  });
}
