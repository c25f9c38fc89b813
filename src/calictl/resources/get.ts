import { type Command, Option } from "commander";
import { CalibirdError } from "../../core/errors.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { kinds, type ResourceKind } from "../../resources/kinds.ts";
import type { AnyResource } from "../../resources/resource.ts";
import type { CommandTools } from "../command-tools.ts";
import { UsageError } from "../output.ts";
import { parseGetFormat } from "./get-format.ts";
import { readManifests } from "./manifest-files.ts";
import { type FileOptions, type ScopeOptions, withFileOptions, withScopeOptions } from "./options.ts";
import { parseKind, type Reference, referenceTo } from "./reference.ts";
import { CommandFailure, describeFailure } from "./run-set.ts";
import { watchResources } from "./watch.ts";
import { type Found, writeFound } from "./write-found.ts";

export interface GetOptions extends FileOptions, ScopeOptions {
  readonly allNamespaces: boolean;
  readonly export: boolean;
  readonly watch: boolean;
}

/** `calictl get KIND [NAME…]` or `-f …`. */
export function registerGet(program: Command, tools: CommandTools): void {
  const command = program
    .command("get")
    .description("show resources: all of a kind, those with the names, or those of manifests")
    .argument("[kind]", "a kind or one of its short names")
    .argument("[names...]", "names; all of the kind without");
  withScopeOptions(withFileOptions(command))
    .option("-A, --all-namespaces", "objects of every namespace; also -a", false)
    .addOption(new Option("-a").hideHelp())
    .option("--export", "without what belongs to this cluster: namespace, uid, resourceVersion, times", false)
    .option("-w, --watch", "go on and print every change", false)
    .addHelpText(
      "after",
      `
-o: ps (the table), wide, yaml, json, name, custom-columns=TITLE,… or custom-columns=TITLE:PATH,…,
    jsonpath=TEMPLATE, go-template=TEMPLATE; custom-columns-file=, jsonpath-file= and go-template-file=FILE`,
    )
    .action((kind: string | undefined, names: string[], options: GetOptions & { readonly a?: true }) =>
      get(tools, kind, names, { ...options, allNamespaces: options.allNamespaces || options.a === true }),
    );
}

async function get(
  tools: CommandTools,
  kind: string | undefined,
  names: readonly string[],
  options: GetOptions,
): Promise<void> {
  const format = parseGetFormat(tools.output());
  const references = await wantedObjects(tools, kind, names, options);
  if (options.watch && (kind === undefined || options.export))
    throw new UsageError("--watch goes with a kind and names, and without -f and --export");
  await tools.withDatastore(options.config, async (datastore) => {
    const client = tools.resourceClient(datastore);
    const writeOptions = {
      withNamespace: options.allNamespaces || options.namespace !== undefined,
      clusterAsNumber: () => clusterAsNumber(client),
    };
    if (options.watch) {
      const known = parseKind(kind ?? "");
      // What keeps the store from being read at all is said at once; later on it is tried again.
      await client.list(known);
      const { allNamespaces, namespace = "default" } = options;
      const scope = { kind: known, ...(names.length > 0 && { names }), ...(!allNamespaces && { namespace }) };
      await watchResources(tools.context, datastore, scope, format, writeOptions);
      return;
    }
    const found =
      references === undefined
        ? await listAll(tools, client, parseKind(kind ?? ""), options)
        : await getEach(client, references);
    const shown =
      options.export && found.type === "objects" ? { ...found, objects: found.objects.map(exported) } : found;
    await writeFound(tools.context, shown, format, writeOptions);
  });
}

/** The objects that were named; undefined for all of a kind. */
async function wantedObjects(
  { context }: CommandTools,
  kind: string | undefined,
  names: readonly string[],
  options: GetOptions,
): Promise<Reference[] | undefined> {
  if (options.filename !== undefined) {
    if (kind !== undefined) throw new UsageError("get takes a kind and names, or -f, not both");
    const entries = await readManifests(context, options);
    return entries.map(({ resource: { kind: known, metadata } }) =>
      referenceTo(known, metadata.name, metadata.namespace),
    );
  }
  if (kind === undefined) throw new UsageError("missing required argument 'kind': get needs a kind, or -f");
  const known = parseKind(kind);
  if (names.length === 0) return undefined;
  if (options.allNamespaces && kinds[known].namespaced)
    throw new UsageError("--all-namespaces goes without names; name the namespace of an object with -n");
  return names.map((name) => referenceTo(known, name, options.namespace));
}

async function listAll(
  { context }: CommandTools,
  client: ResourceClient,
  kind: ResourceKind,
  { allNamespaces, namespace = "default" }: GetOptions,
): Promise<Found> {
  const scope = kinds[kind].namespaced && !allNamespaces ? namespace : undefined;
  const { resources, invalid, revision } = await client.list(kind, scope);
  for (const { error } of invalid) context.stderr.write(`calictl: ${error.message}\n`);
  return { type: "list", kind, objects: resources as readonly AnyResource[], revision };
}

async function getEach(client: ResourceClient, references: readonly Reference[]): Promise<Found> {
  const objects: AnyResource[] = [];
  const errors: string[] = [];
  for (const { kind, name, namespace } of references)
    try {
      objects.push((await client.get(kind, name, namespace)) as AnyResource);
    } catch (error) {
      if (!(error instanceof CalibirdError)) throw error;
      errors.push(describeFailure(error, "get"));
    }
  const [only] = errors;
  if (only !== undefined && references.length === 1) throw new CommandFailure("NOTHING_DONE", only);
  if (errors.length > 0) throw new CommandFailure("NOTHING_DONE", `Failed to get resources: [${errors.join(", ")}]`);
  return { type: "objects", objects };
}

/** Without what ties it to the cluster it comes from. */
function exported(resource: AnyResource): AnyResource {
  const {
    namespace: _namespace,
    uid: _uid,
    resourceVersion: _resourceVersion,
    creationTimestamp: _creationTimestamp,
    deletionTimestamp: _deletionTimestamp,
    ...metadata
  } = resource.metadata;
  return { ...resource, metadata };
}

async function clusterAsNumber(client: ResourceClient): Promise<number | undefined> {
  const { resources, invalid } = await client.list("BGPConfiguration");
  const configuration = resources.find(({ metadata }) => metadata.name === "default");
  if (configuration === undefined && invalid.length > 0) return undefined;
  return configuration?.spec.asNumber ?? 64512;
}
