import { type ExactJson, formatExactJson, parseExactJson } from "../../core/exact-json.ts";
import type { Datastore, KeyValue } from "../../datastore/datastore.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { kinds, type ResourceKind, resourceKinds } from "../../resources/kinds.ts";
import { type AnyResource, API_VERSION } from "../../resources/resource.ts";
import type { CommandContext } from "../output.ts";
import { toYaml } from "../resources/write-found.ts";
import { MigrationError } from "./errors.ts";
import { findClusterInformation } from "./lock.ts";
import { kubernetesNames, type NodeNames, renameInBlock, renameInKey, renameInResource } from "./node-names.ts";

/** Between the three parts of an export. */
export const PART_END = "===\n";

/** What agents, pods and controllers write again by themselves, and what goes into parts of its own. */
const leftOut: ReadonlySet<ResourceKind> = new Set([
  "BlockAffinity",
  "CalicoNodeStatus",
  "ClusterInformation",
  "IPAMConfiguration",
  "Profile",
  "WorkloadEndpoint",
]);

/** The kinds that are exported: those that others name come first. */
export const exportedKinds = [
  ...(["IPPool", "BGPFilter", "Tier", "Node"] as const),
  ...resourceKinds.filter((kind) => !leftOut.has(kind) && !["IPPool", "BGPFilter", "Tier", "Node"].includes(kind)),
];

/** Controllers copy Kubernetes' own policies, and will do so again. */
const copiedPolicy = "knp.default.";

/** Where IPAM's data is, by its name in an export. */
export const ipamPrefixes = {
  block_affinities: ["/calico/ipam/v2/host/"],
  blocks: ["/calico/ipam/v2/assignment/"],
  handles: ["/calico/ipam/v2/handle/"],
} as const;
export const ipamConfigKey = "/calico/ipam/v2/config";

/**
 * Writes all that a cluster has in its datastore, but for what its agents make anew, in the form of `calicoctl datastore migrate
 * export`: resources as YAML, the ClusterInformation and IPAM's data as JSON. Nodes have the names that Kubernetes knows them by.
 * Throws a `MigrationError` if the datastore is not locked.
 */
export async function exportDatastore(
  context: CommandContext,
  datastore: Datastore,
  client: ResourceClient,
): Promise<void> {
  const information = await findClusterInformation(client);
  if (information?.spec.datastoreReady !== false)
    throw new MigrationError(
      "DATASTORE_NOT_LOCKED",
      "datastore is not locked. Run the `calictl datastore migrate lock` command in order to begin migration",
    );
  const names = kubernetesNames((await client.list("Node")).resources);
  const print = await toYaml();
  for (const kind of exportedKinds) {
    const resources = await resourcesToExport(context, client, kind);
    if (resources.length === 0) continue;
    const items = resources.map((resource) => withoutOrigin(renameInResource(resource, names)));
    context.stdout.write(`${print({ apiVersion: API_VERSION, kind: `${kind}List`, metadata: {}, items })}---\n`);
  }
  context.stdout.write(PART_END);
  context.stdout.write(`${formatExactJson(information)}\n`);
  context.stdout.write(PART_END);
  context.stdout.write(`${formatExactJson(await ipamData(datastore, names))}\n`);
}

async function resourcesToExport(
  context: CommandContext,
  client: ResourceClient,
  kind: ResourceKind,
): Promise<AnyResource[]> {
  const { resources, invalid } = await client.list(kind);
  for (const { error } of invalid) context.stderr.write(`calictl: left out: ${error.message}\n`);
  return (resources as readonly AnyResource[]).filter(
    ({ metadata }) => kinds[kind].plural !== "networkpolicies" || !metadata.name.startsWith(copiedPolicy),
  );
}

function withoutOrigin(resource: AnyResource): AnyResource {
  const {
    uid: _uid,
    resourceVersion: _resourceVersion,
    creationTimestamp: _creationTimestamp,
    deletionTimestamp: _deletionTimestamp,
    deletionGracePeriodSeconds: _deletionGracePeriodSeconds,
    ...metadata
  } = resource.metadata;
  return { ...resource, metadata };
}

async function ipamData(datastore: Datastore, names: NodeNames): Promise<Record<string, unknown>> {
  const data: Record<string, unknown> = {};
  for (const [part, prefixes] of Object.entries(ipamPrefixes)) {
    const lists = await Promise.all(prefixes.map((prefix) => datastore.list(prefix)));
    const items = lists
      .flatMap(({ items: found }) => found)
      .filter(({ key }) => part !== "block_affinities" || isAffinity(key));
    if (items.length > 0) data[part] = items.map((item) => entryOf(item, names));
  }
  const { item } = await datastore.get(ipamConfigKey);
  return item === undefined ? data : { ...data, config: entryOf(item, names) };
}

/** Beside the affinities there are bare markers of old. */
function isAffinity(key: string): boolean {
  return /\/ipv[46]\/block\//.test(key);
}

function entryOf({ key, value }: KeyValue, names: NodeNames): { Key: string; Value: ExactJson; TTL: number } {
  return { Key: renameInKey(key, names), Value: renameInBlock(parseExactJson(value), names), TTL: 0 };
}
