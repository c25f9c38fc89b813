import type { Command } from "commander";
import type { ManifestEntry } from "../../resources/manifest.ts";
import type { CommandTools } from "../command-tools.ts";
import { type CommandContext, UsageError } from "../output.ts";
import { readManifests } from "./manifest-files.ts";
import { type FileOptions, type ScopeOptions, withFileOptions, withScopeOptions } from "./options.ts";
import { parseKind, type Reference, referenceTo } from "./reference.ts";
import { isRefusal } from "./refusal.ts";
import { runSet } from "./run-set.ts";

interface DeleteOptions extends FileOptions, ScopeOptions {
  readonly skipNotExists: boolean;
}

/** `calictl delete KIND NAME…` or `-f …`. */
export function registerDelete(program: Command, tools: CommandTools): void {
  const command = program
    .command("delete")
    .description("delete resources, by kind and name or by manifest")
    .argument("[kind]", "a kind or one of its short names")
    .argument("[names...]", "names");
  withScopeOptions(withFileOptions(command))
    .option("-s, --skip-not-exists", "a resource that is not there is no failure", false)
    .action((kind: string | undefined, names: string[], options: DeleteOptions) =>
      deleteResources(tools, kind, names, options),
    );
}

async function deleteResources(
  { context, withDatastore, resourceClient }: CommandTools,
  kind: string | undefined,
  names: readonly string[],
  options: DeleteOptions,
): Promise<void> {
  const items = await itemsToDelete(context, kind, names, options);
  const verb = { name: "delete", past: "deleted", leftOut: "did not exist" };
  await withDatastore(options.config, async (datastore) => {
    const client = resourceClient(datastore);
    await runSet(context, verb, items, async (item) => {
      try {
        await client.delete(item.kind, item.name, item);
        return true;
      } catch (error) {
        if (options.skipNotExists && isRefusal(error, "RESOURCE_NOT_FOUND")) return false;
        throw error;
      }
    });
  });
}

interface DeletionItem extends Reference {
  readonly entry?: ManifestEntry;
  readonly uid?: string;
  readonly resourceVersion?: string;
}

async function itemsToDelete(
  context: CommandContext,
  kind: string | undefined,
  names: readonly string[],
  options: DeleteOptions,
): Promise<DeletionItem[]> {
  if (options.filename !== undefined) {
    if (kind !== undefined) throw new UsageError("delete takes a kind and names, or -f, not both");
    const entries = await readManifests(context, options);
    return entries.map((entry) => {
      const { name, namespace, uid, resourceVersion } = entry.resource.metadata;
      return {
        kind: entry.resource.kind,
        name,
        entry,
        ...(namespace !== undefined && { namespace }),
        ...(uid !== undefined && { uid }),
        ...(resourceVersion !== undefined && { resourceVersion }),
      };
    });
  }
  if (kind === undefined || names.length === 0)
    throw new UsageError("delete needs a kind and at least one name, or -f");
  const known = parseKind(kind);
  return names.map((name) => referenceTo(known, name, options.namespace));
}
