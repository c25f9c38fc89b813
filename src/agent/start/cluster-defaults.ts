import type { Clock, Timer } from "../../core/clock.ts";
import { CalibirdError, errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import { createTogether } from "../../datastore/create-together.ts";
import type { Datastore } from "../../datastore/datastore.ts";
import { DatastoreError } from "../../datastore/errors.ts";
import { admitCreate } from "../../datastore/resource-admission.ts";
import { ResourceClient } from "../../datastore/resource-client.ts";
import { listResources } from "../../datastore/stored-resources.ts";
import { Prefix } from "../../net/prefix.ts";
import { builtInTiers } from "../../resources/policy/tier.ts";
import type { AnyResource, Resource } from "../../resources/resource.ts";
import { describeResource } from "../../resources/resource.ts";
import { resourceKey } from "../../resources/resource-keys.ts";
import type { PoolConfig } from "../config/pool-settings.ts";
import { defaultPools, type PoolSurroundings } from "./default-pools.ts";

const retryMs = 5_000;

/** Every lost race means that another node has written them, so that the second look finds little to do. */
const attempts = 10;

export interface ClusterDefaultsOptions {
  readonly datastore: Datastore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly createUid: () => string;
  readonly pools: PoolConfig;
  readonly surroundings: PoolSurroundings;
}

/**
 * Creates what a cluster has from its first node on: ClusterInformation, FelixConfiguration, the tiers, and a pool of each family that has
 * none. Whatever of it is missing is written in one transaction under the condition that it is missing still, so that of many
 * nodes that start together one writes and the others find it.
 */
export class ClusterDefaults {
  readonly #options: ClusterDefaultsOptions;
  #retry: Timer | undefined;
  #stopped = false;

  constructor(options: ClusterDefaultsOptions) {
    this.#options = options;
  }

  /** Resolves when everything is there or it has to wait for the datastore; then it is tried again and again. Never rejects. */
  async ensure(): Promise<void> {
    const { clock, logger } = this.#options;
    try {
      for (let attempt = 1; !(await this.#attempt()); attempt++)
        if (attempt === attempts) throw new Error("others keep writing them");
    } catch (error) {
      if (this.#stopped) return;
      const code = error instanceof CalibirdError ? error.code : undefined;
      logger.warn(
        { code, error: errorMessage(error), retryMs },
        "cannot create the cluster's defaults yet; trying again",
      );
      this.#retry = clock.setTimer(retryMs, () => void this.ensure());
    }
  }

  stop(): void {
    this.#stopped = true;
    this.#retry?.cancel();
  }

  /** True if nothing is left to do. */
  async #attempt(): Promise<boolean> {
    const { datastore, logger } = this.#options;
    if (!(await this.#completeClusterInformation())) return false;
    const missing = [...(await this.#missingSingletons()), ...(await this.#missingPools())];
    if (missing.length === 0) return true;
    const revision = await createTogether(this.#options, missing);
    if (revision === undefined) return false;
    logger.info({ created: missing.map(describeResource) }, "the cluster had no defaults; they are created");
    for (const resource of missing)
      if (resource.kind === "IPPool") await this.#yieldToOlderPool(datastore, resource, revision);
    return true;
  }

  async #missingSingletons(): Promise<AnyResource[]> {
    const found = await Promise.all(
      singletons.map(({ kind, metadata }) => this.#options.datastore.get(resourceKey(kind, metadata.name))),
    );
    return singletons
      .filter((_resource, index) => found[index]?.item === undefined)
      .map((resource) =>
        resource.kind === "ClusterInformation"
          ? { ...resource, spec: { clusterGUID: this.#newGuid(), datastoreReady: true } }
          : resource,
      );
  }

  async #missingPools(): Promise<Resource<"IPPool">[]> {
    const { datastore, pools, surroundings, logger } = this.#options;
    const { items, invalid } = await listResources(datastore, "IPPool");
    // A pool that cannot be read is somebody's all the same.
    if (invalid.length > 0) return [];
    const present = new Set(items.map(({ resource }) => familyOf(resource)));
    const missing: Resource<"IPPool">[] = [];
    for (const pool of defaultPools(pools, surroundings)) {
      if (present.has(familyOf(pool))) continue;
      try {
        await admitCreate(datastore, pool);
        missing.push(pool);
      } catch (error) {
        if (error instanceof DatastoreError) throw error;
        logger.error({ error: errorMessage(error) }, "the default pool cannot be created");
      }
    }
    return missing;
  }

  /** Somebody may have created a pool between our look and our write: then ours was not wanted. */
  async #yieldToOlderPool(datastore: Datastore, own: Resource<"IPPool">, revision: bigint): Promise<void> {
    const { items } = await listResources(datastore, "IPPool");
    const older = items.some(
      ({ resource, createRevision }) => createRevision < revision && familyOf(resource) === familyOf(own),
    );
    if (!older) return;
    const client = new ResourceClient(this.#options);
    await client.delete("IPPool", own.metadata.name, { resourceVersion: revision.toString() });
    this.#options.logger.info({ pool: own.metadata.name }, "another pool came first; the default pool is taken back");
  }

  /** Where it does not say that the datastore is ready Calico's CNI plugin fails. False if somebody else writes it now. */
  async #completeClusterInformation(): Promise<boolean> {
    const client = new ResourceClient(this.#options);
    const { item } = await this.#options.datastore.get(resourceKey("ClusterInformation", "default"));
    if (item === undefined) return true;
    const stored = await client.get("ClusterInformation", "default");
    const { clusterGUID = this.#newGuid(), datastoreReady = true } = stored.spec;
    if (clusterGUID === stored.spec.clusterGUID && datastoreReady === stored.spec.datastoreReady) return true;
    try {
      await client.update({ ...stored, spec: { ...stored.spec, clusterGUID, datastoreReady } });
      return true;
    } catch (error) {
      if (error instanceof CalibirdError && error.code === "UPDATE_CONFLICT") return false;
      throw error;
    }
  }

  #newGuid(): string {
    return this.#options.createUid().replaceAll("-", "");
  }
}

/** No calicoVersion: calicoctl refuses to work with any that is not its own, and checks none that is absent. */
const singletons: readonly AnyResource[] = [
  { kind: "ClusterInformation", apiVersion: "projectcalico.org/v3", metadata: { name: "default" }, spec: {} },
  {
    kind: "FelixConfiguration",
    apiVersion: "projectcalico.org/v3",
    metadata: { name: "default" },
    spec: { logSeverityScreen: "Info", reportingInterval: "0s" },
  },
  ...Object.entries(builtInTiers).map(([name, spec]) => ({
    kind: "Tier" as const,
    apiVersion: "projectcalico.org/v3" as const,
    metadata: { name },
    spec,
  })),
];

function familyOf({ spec }: Resource<"IPPool">): 4 | 6 {
  return Prefix.parse(spec.cidr).family;
}
