import type { Datastore } from "../../datastore/datastore.ts";
import { DryRunDatastore } from "../../datastore/dry-run-datastore.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { requireEditable } from "../../resources/kinds.ts";
import type { AnyResource } from "../../resources/resource.ts";
import type { CommandTools } from "../command-tools.ts";
import { writeLine } from "../output.ts";
import type { ScopeOptions } from "./options.ts";
import { formatChange, type PlannedChange, planChange } from "./planned-change.ts";
import type { Reference } from "./reference.ts";
import { isRefusal } from "./refusal.ts";
import { runSet, type SetItem, type Verb } from "./run-set.ts";

/** An object that a command changes. */
export type ChangeItem = SetItem & Reference;

export interface ChangeOptions extends ScopeOptions {
  /** Say what would change, and change nothing. */
  readonly dryRun: boolean;
}

/** Changes the objects of a set by `act`, as `runSet` does; with `dryRun` it prints what would change instead. */
export async function changeSet<Item extends ChangeItem>(
  tools: CommandTools,
  options: ChangeOptions,
  verb: Verb,
  items: readonly Item[],
  act: (client: ResourceClient, item: Item, datastore: Datastore) => Promise<boolean>,
): Promise<void> {
  const { context } = tools;
  if (!options.dryRun) {
    await tools.withDatastore(options.config, (datastore) => {
      const client = tools.resourceClient(datastore);
      return runSet(context, verb, items, async (item) => {
        requireEditable(item.kind);
        return act(client, item, datastore);
      });
    });
    return;
  }
  const planned = { ...verb, isPlan: true };
  await planSet(tools, options, planned, items, act, (change) =>
    writeLine(context, formatChange(change, context.colour)),
  );
}

/** Finds out what `act` would do to each object, each on top of what came before it. */
export async function planSet<Item extends ChangeItem>(
  tools: CommandTools,
  options: ScopeOptions,
  verb: Verb,
  items: readonly Item[],
  act: (client: ResourceClient, item: Item, datastore: Datastore) => Promise<boolean>,
  report: (change: PlannedChange) => void,
): Promise<void> {
  await tools.withDatastore(options.config, (datastore) => {
    const planned = new DryRunDatastore(datastore);
    const client = tools.resourceClient(planned);
    return runSet(tools.context, verb, items, async (item) => {
      requireEditable(item.kind);
      const before = await findObject(client, item);
      const handled = await act(client, item, planned);
      const change = planChange(before, await findObject(client, item));
      if (handled && change !== undefined) report(change);
      return handled;
    });
  });
}

async function findObject(client: ResourceClient, reference: Reference): Promise<AnyResource | undefined> {
  try {
    return (await client.get(reference.kind, reference.name, reference.namespace)) as AnyResource;
  } catch (error) {
    if (isRefusal(error, "RESOURCE_NOT_FOUND") || isRefusal(error, "INVALID_STORED_VALUE")) return undefined;
    throw error;
  }
}
