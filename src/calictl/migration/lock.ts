import { randomUUID } from "node:crypto";
import type { ResourceClient } from "../../datastore/resource-client.ts";
import { API_VERSION, type Resource } from "../../resources/resource.ts";
import { isRefusal } from "../resources/refusal.ts";

const ATTEMPTS = 10;

/** The cluster's information; undefined in a datastore that no agent has used yet. */
export async function findClusterInformation(
  client: ResourceClient,
): Promise<Resource<"ClusterInformation"> | undefined> {
  try {
    return await client.get("ClusterInformation", "default");
  } catch (error) {
    if (isRefusal(error, "RESOURCE_NOT_FOUND")) return undefined;
    throw error;
  }
}

/**
 * Changes the cluster's information, which is made if it is not there. Somebody else's simultaneous change makes it start again.
 */
export async function changeClusterInformation(
  client: ResourceClient,
  change: (spec: Resource<"ClusterInformation">["spec"]) => Resource<"ClusterInformation">["spec"],
): Promise<void> {
  for (let attempt = 1; ; attempt++)
    try {
      const stored = await findClusterInformation(client);
      if (stored !== undefined) await client.update({ ...stored, spec: change(stored.spec) });
      else
        await client.create({
          kind: "ClusterInformation",
          apiVersion: API_VERSION,
          metadata: { name: "default" },
          spec: change({ clusterGUID: randomUUID().replaceAll("-", ""), datastoreReady: true }),
        });
      return;
    } catch (error) {
      const lostRace = isRefusal(error, "UPDATE_CONFLICT") || isRefusal(error, "RESOURCE_EXISTS");
      if (!lostRace || attempt === ATTEMPTS) throw error;
    }
}
