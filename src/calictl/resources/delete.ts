import type { Command } from "commander";
import { type Clock, systemClock } from "../../core/clock.ts";
import { removeResource } from "../../ipam/removal.ts";
import type { CommandTools } from "../command-tools.ts";
import { type CommandContext, UsageError } from "../output.ts";
import { type ChangeItem, type ChangeOptions, changeSet } from "./change-set.ts";
import { readManifestItems } from "./manifest-items.ts";
import { type FileOptions, withDryRunOption, withFileOptions, withScopeOptions } from "./options.ts";
import { parseKind, referenceTo } from "./reference.ts";
import { isRefusal } from "./refusal.ts";

/** Its timers keep the process alive: nothing else does while a pool's agents get time to hear that it is disabled. */
const waitingClock: Clock = {
  ...systemClock,
  setTimer(delayMs, fire) {
    const handle = setTimeout(fire, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};

interface DeleteOptions extends FileOptions, ChangeOptions {
  readonly skipNotExists: boolean;
}

/** `calictl delete KIND NAME…` or `-f …`. */
export function registerDelete(program: Command, tools: CommandTools): void {
  const command = program
    .command("delete")
    .description("delete resources, by kind and name or by manifest")
    .argument("[kind]", "a kind or one of its short names")
    .argument("[names...]", "names");
  withDryRunOption(withScopeOptions(withFileOptions(command)))
    .option("-s, --skip-not-exists", "a resource that is not there is no failure", false)
    .action((kind: string | undefined, names: string[], options: DeleteOptions) =>
      deleteResources(tools, kind, names, options),
    );
}

async function deleteResources(
  tools: CommandTools,
  kind: string | undefined,
  names: readonly string[],
  options: DeleteOptions,
): Promise<void> {
  const items = await itemsToDelete(tools.context, kind, names, options);
  const verb = { name: "delete", past: "deleted", leftOut: "did not exist" };
  await changeSet(tools, options, verb, items, async (client, item, datastore) => {
    try {
      await removeResource({ client, datastore, clock: waitingClock, random: Math.random }, item.kind, item.name, item);
      return true;
    } catch (error) {
      if (isRefusal(error, "INVALID_STORED_VALUE")) {
        // What nobody can read has nothing that hangs on it.
        await client.delete(item.kind, item.name, item);
        return true;
      }
      if (options.skipNotExists && isRefusal(error, "RESOURCE_NOT_FOUND")) return false;
      throw error;
    }
  });
}

type DeletionItem = ChangeItem & { readonly uid?: string; readonly resourceVersion?: string };

async function itemsToDelete(
  context: CommandContext,
  kind: string | undefined,
  names: readonly string[],
  options: DeleteOptions,
): Promise<DeletionItem[]> {
  if (options.filename !== undefined) {
    if (kind !== undefined) throw new UsageError("delete takes a kind and names, or -f, not both");
    const manifests = await readManifestItems(context, options);
    return manifests.map((item) => {
      const { uid, resourceVersion } = item.entry.resource.metadata;
      return { ...item, ...(uid !== undefined && { uid }), ...(resourceVersion !== undefined && { resourceVersion }) };
    });
  }
  if (kind === undefined || names.length === 0)
    throw new UsageError("delete needs a kind and at least one name, or -f");
  const known = parseKind(kind);
  return names.map((name) => referenceTo(known, name, options.namespace));
}
