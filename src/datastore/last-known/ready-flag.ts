import { resourceKey, resourcePrefix } from "../../resources/resource-keys.ts";
import type { KeyValue } from "../datastore.ts";

/** Where Calico keeps the flag that stops everybody while the datastore is being moved. */
export const READY_KEY = resourceKey("ClusterInformation", "default");

export const READY_PREFIX = resourcePrefix("ClusterInformation");

/**
 * False only if ClusterInformation says `datastoreReady: false`. A cluster without the object, or with one that can't be read, is
 * taken for ready: Calico waits for it, but an agent that has created it itself would lock itself out.
 */
export function isReady(item: Pick<KeyValue, "value"> | undefined): boolean {
  try {
    const { spec } = JSON.parse(item?.value ?? "{}") as { spec?: { datastoreReady?: unknown } };
    return spec?.datastoreReady !== false;
  } catch {
    return true;
  }
}
