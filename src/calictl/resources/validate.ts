import type { Command } from "commander";
import type { CommandTools } from "../command-tools.ts";
import { readManifests } from "./manifest-files.ts";
import { type FileOptions, withFileOptions } from "./options.ts";
import { runSet } from "./run-set.ts";

/** `calictl validate -f …`: the checks of a file alone, without a datastore. */
export function registerValidate(program: Command, { context }: CommandTools): void {
  const command = program.command("validate").description("check manifests, without a datastore");
  withFileOptions(command)
    .option("-n, --namespace <namespace>", "namespace of objects that name none (default: default)")
    .action(async (options: FileOptions & { readonly namespace?: string }) => {
      const entries = await readManifests(context, options);
      const items = entries.map((entry) => ({ kind: entry.resource.kind, entry }));
      await runSet(context, { name: "validate", past: "validated" }, items, async () => true);
    });
}
