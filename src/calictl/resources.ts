import { CalibirdError } from "../core/errors.ts";
import { findKind, kinds, type ResourceKind } from "../resources/kinds.ts";
import type { AnyResource } from "../resources/resource.ts";
import type { AgentClient } from "./agent-client.ts";
import { readManifests } from "./manifest-files.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";
import { resourceColumns } from "./resource-columns.ts";
import { formatTable } from "./table.ts";

type ResourceCommandErrorCode = "PARTLY_DONE";

/** Some of the resources were changed and then one could not be. */
class ResourceCommandError extends CalibirdError<ResourceCommandErrorCode> {}

/** Which resources a command is about. */
interface Selection {
  readonly kind?: string;
  readonly names: readonly string[];
  readonly namespace?: string;
}

interface Reference {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** `calictl get KIND [NAME…]`. */
export async function getResources(
  client: AgentClient,
  context: CommandContext,
  options: Selection & { readonly kind: string; readonly format: OutputFormat },
): Promise<void> {
  const kind = kindOf(options.kind);
  const found =
    options.names.length === 0
      ? await client.admin<AnyResource[]>("GET", collectionPath(kind, options.namespace))
      : await Promise.all(
          options.names.map((name) =>
            client.admin<AnyResource>("GET", resourcePath({ kind, name, namespace: options.namespace })),
          ),
        );
  if (options.format === "json" || options.format === "yaml") {
    const [only] = found;
    const single = options.names.length === 1 && only !== undefined;
    const list = { apiVersion: "projectcalico.org/v3", items: found, kind: `${kind}List`, metadata: {} };
    await writeStructured(context, single ? only : list, options.format);
  } else if (found.length === 0) writeLine(context, `no ${kind} resources`);
  else writeLine(context, formatTable(resourceColumns(kind, options.format === "wide"), found, context.colour));
}

/** `calictl apply -f …`: all manifests are checked before the first is sent. */
export async function applyManifests(
  client: AgentClient,
  context: CommandContext,
  paths: readonly string[],
): Promise<void> {
  const entries = await readManifests(context, paths);
  await inOrder(
    context,
    "applied",
    entries.map((entry) => ({ kind: entry.resource.kind, where: `${entry.file} line ${entry.line}`, entry })),
    async ({ entry }) => {
      await client.admin("PUT", "/v1/resources", entry.resource);
      return true;
    },
  );
}

/** `calictl delete KIND NAME…` or `-f …`. */
export async function deleteResources(
  client: AgentClient,
  context: CommandContext,
  options: Selection & { readonly filename?: readonly string[]; readonly skipNotExists: boolean },
): Promise<void> {
  const references = await deletionReferences(context, options);
  await inOrder(
    context,
    "deleted",
    references.map((reference) => ({ kind: reference.kind, where: `${reference.kind}(${reference.name})`, reference })),
    async ({ reference }) => {
      const path = resourcePath(reference);
      const skip = options.skipNotExists ? `${path.includes("?") ? "&" : "?"}skipNotExists=true` : "";
      return (await client.admin<{ deleted: boolean }>("DELETE", `${path}${skip}`)).deleted;
    },
  );
}

async function deletionReferences(
  context: CommandContext,
  options: Selection & { readonly filename?: readonly string[] },
): Promise<Reference[]> {
  if (options.filename !== undefined) {
    if (options.kind !== undefined) throw new UsageError("delete takes a kind and names, or -f, not both");
    const entries = await readManifests(context, options.filename);
    return entries.map(({ resource }) => ({
      kind: resource.kind,
      name: resource.metadata.name,
      namespace: resource.metadata.namespace,
    }));
  }
  if (options.kind === undefined || options.names.length === 0)
    throw new UsageError("delete needs a kind and at least one name, or -f");
  const kind = kindOf(options.kind);
  return options.names.map((name) => ({ kind, name, namespace: options.namespace }));
}

/**
 * One after the other, as they stand in the files; stops at the first failure and says how far it came. `act` resolves false
 * for an item that was left out.
 */
async function inOrder<Item extends { readonly kind: string; readonly where: string }>(
  context: CommandContext,
  done: string,
  items: readonly Item[],
  act: (item: Item) => Promise<boolean>,
): Promise<void> {
  let count = 0;
  const kindsSeen = [...new Set(items.map((item) => item.kind))];
  const what = kindsSeen.length === 1 ? `'${kindsSeen[0]}' resource(s)` : "resource(s)";
  for (const [index, item] of items.entries())
    try {
      if (await act(item)) count++;
    } catch (error) {
      if (!(error instanceof CalibirdError)) throw error;
      const progress = index === 0 ? "nothing was changed" : `${done} the first ${index} of ${items.length} ${what}`;
      throw new ResourceCommandError("PARTLY_DONE", `${progress}; ${item.where}: ${error.message}`, {}, error);
    }
  writeLine(context, `Successfully ${done} ${count} ${what}`);
  if (count < items.length) writeLine(context, `${items.length - count} did not exist`);
}

/** A kind on the command line; a wrong one is a mistake of usage. */
function kindOf(text: string): ResourceKind {
  try {
    return findKind(text);
  } catch (error) {
    if (error instanceof CalibirdError) throw new UsageError(error.message);
    throw error;
  }
}

function collectionPath(kind: ResourceKind, namespace: string | undefined): string {
  const query = namespace === undefined ? "" : `?namespace=${encodeURIComponent(namespace)}`;
  return `/v1/resources/${kinds[kind].plural}${query}`;
}

function resourcePath({ kind, name, namespace }: Reference): string {
  const query = kinds[kind].namespaced ? `?namespace=${encodeURIComponent(namespace ?? "default")}` : "";
  return `/v1/resources/${kinds[kind].plural}/${encodeURIComponent(name)}${query}`;
}
