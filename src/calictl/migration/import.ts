import { errorMessage } from "../../core/errors.ts";
import { type ExactJson, isExactList, isExactObject, parseExactJson, printExactJson } from "../../core/exact-json.ts";
import type { Datastore } from "../../datastore/datastore.ts";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { type ManifestEntry, parseManifest } from "../../resources/manifest.ts";
import { type CommandContext, writeLine } from "../output.ts";
import { runSet } from "../resources/run-set.ts";
import { MigrationError } from "./errors.ts";
import { exportedKinds, ipamConfigKey, ipamPrefixes, PART_END } from "./export.ts";
import { changeClusterInformation } from "./lock.ts";

/** What is in an export. */
export interface ExportedDatastore {
  readonly resources: readonly ManifestEntry[];
  readonly clusterInformation: ExactJson;
  readonly ipam: readonly { readonly key: string; readonly value: string }[];
}

/** Reads what `export`, ours or calicoctl's, has written. Throws a `MigrationError`, or `INVALID_MANIFEST`. */
export async function readExport(file: string, text: string): Promise<ExportedDatastore> {
  const parts = text.split(PART_END);
  const [manifests = "", information = "", ipam = ""] = parts;
  if (parts.length !== 3)
    throw invalid(
      file,
      `has ${parts.length} parts between lines of "===", not 3; make it with calictl datastore migrate export`,
    );
  return {
    resources: await parseManifest(manifests, { file, defaultNamespace: "default", mayBeEmpty: true }),
    clusterInformation: readJson(file, "the cluster information", information),
    ipam: readIpam(file, readJson(file, "the IPAM part", ipam)),
  };
}

/**
 * Fills an empty datastore with an export, and leaves it locked. Throws a `MigrationError` if there are resources or IPAM data
 * already; Nodes and tiers, which agents make at once, may be there.
 */
export async function importDatastore(
  context: CommandContext,
  datastore: Datastore,
  client: ResourceClient,
  exported: ExportedDatastore,
): Promise<void> {
  await requireEmpty(datastore, client);
  await changeClusterInformation(client, (spec) => ({ ...spec, datastoreReady: false }));
  const items = exported.resources.map((entry) => ({ kind: entry.resource.kind, entry }));
  if (items.length > 0)
    await runSet(context, { name: "apply", past: "applied" }, items, async ({ entry }) => {
      await client.apply(entry.resource);
      return true;
    });
  await changeClusterInformation(client, (spec) => ({ ...spec, ...originOf(exported.clusterInformation) }));
  writeLine(context, "Importing IPAM resources");
  for (const { key, value } of exported.ipam) await createKey(datastore, key, value);
  writeLine(context, `Successfully applied ${exported.ipam.length} IPAM resource(s)`);
  writeLine(
    context,
    "Datastore information successfully imported. It is locked still: calictl datastore migrate unlock ends the migration.",
  );
}

async function requireEmpty(datastore: Datastore, client: ResourceClient): Promise<void> {
  for (const kind of exportedKinds) {
    if (kind === "Node" || kind === "Tier" || kind === "FelixConfiguration") continue;
    const [found] = (await client.list(kind)).resources;
    if (found !== undefined) throw notEmpty(`Found existing Calico ${kind} resource: ${found.metadata.name}`);
  }
  for (const prefix of Object.values(ipamPrefixes).flat())
    if ((await datastore.list(prefix)).items.length > 0) throw notEmpty("Found existing IPAM resources");
}

/** Fails if the key is there, but not if it has this very value, so that an import may be repeated. */
async function createKey(datastore: Datastore, key: string, value: string): Promise<void> {
  const { succeeded, responses } = await datastore.transact({
    // The configuration has no owner; an agent may have made one.
    compares: key === ipamConfigKey ? [] : [{ key, target: "version", result: "equal", value: 0n }],
    success: [{ type: "put", key, value }],
    failure: [{ type: "get", key }],
  });
  const [response] = responses;
  if (succeeded || (response?.type === "get" && response.item?.value === value)) return;
  throw notEmpty(`${key} exists already`);
}

/** What ties a cluster to its past. */
function originOf(information: ExactJson): { clusterGUID?: string; calicoVersion?: string; clusterType?: string } {
  const spec = isExactObject(information) ? information.spec : undefined;
  const names = ["clusterGUID", "calicoVersion", "clusterType"] as const;
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = isExactObject(spec) ? spec[name] : undefined;
      return typeof value === "string" && value !== "" ? [[name, value]] : [];
    }),
  );
}

function readIpam(file: string, json: ExactJson): { key: string; value: string }[] {
  if (!isExactObject(json)) throw invalid(file, "has an IPAM part that is no object");
  const { config, ...lists } = json;
  const entries = Object.entries(lists).flatMap(([part, list]) => {
    if (list === null) return [];
    if (!Object.hasOwn(ipamPrefixes, part)) throw invalid(file, `has "${part}" in its IPAM part, which is not known`);
    if (!isExactList(list)) throw invalid(file, `has "${part}" in its IPAM part that is no list`);
    return list;
  });
  return [...entries, ...(config === undefined || config === null ? [] : [config])].map((entry) => {
    const { Key: key, Value: value } = isExactObject(entry) ? entry : {};
    if (typeof key !== "string" || !key.startsWith("/calico/ipam/v2/") || !isExactObject(value))
      throw invalid(
        file,
        `has in its IPAM part ${printExactJson(entry).slice(0, 80)}, which has no Key below /calico/ipam/v2/ or no Value`,
      );
    return { key, value: printExactJson(value) };
  });
}

function readJson(file: string, what: string, text: string): ExactJson {
  try {
    return parseExactJson(text);
  } catch (error) {
    throw invalid(file, `has ${what} that is no JSON: ${errorMessage(error)}`);
  }
}

function invalid(file: string, reason: string): MigrationError {
  return new MigrationError("INVALID_EXPORT", `${file} ${reason}`, { file });
}

function notEmpty(reason: string): MigrationError {
  const message = `Datastore already has Calico resources: ${reason}. An export goes into an empty datastore only`;
  return new MigrationError("DATASTORE_NOT_EMPTY", message);
}
