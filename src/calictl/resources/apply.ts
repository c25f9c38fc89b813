import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { readManifests } from "./manifest-files.ts";
import { type FileOptions, type ScopeOptions, withFileOptions, withScopeOptions } from "./options.ts";
import { runSet } from "./run-set.ts";

/** `calictl apply -f …`: creates what is not there and replaces what is. */
export function registerApply(program: Command, tools: CommandTools): void {
  const command = program.command("apply").description("create or replace the resources of manifests");
  withScopeOptions(withFileOptions(command)).action((options: FileOptions & ScopeOptions) => apply(tools, options));
}

async function apply(
  { context, withDatastore, resourceClient }: CommandTools,
  options: FileOptions & ScopeOptions,
): Promise<void> {
  const entries = await readManifests(context, options);
  await withDatastore(options.config, async (datastore) => {
    const client = resourceClient(datastore);
    const items = entries.map((entry) => ({ kind: entry.resource.kind, entry }));
    await runSet(context, { name: "apply", past: "applied" }, items, async ({ entry }) => {
      await client.apply(entry.resource);
      return true;
    });
  });
}
