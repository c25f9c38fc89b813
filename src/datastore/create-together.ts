import { type AnyResource, encodeResource, validateResource } from "../resources/resource.ts";
import { resourceKey } from "../resources/resource-keys.ts";
import { DatastoreError } from "./errors.ts";
import type { ResourceClientOptions } from "./resource-client.ts";

/**
 * Stores new objects in one transaction and returns its revision: all of them, or none and undefined if one of them exists
 * already. Their rules between objects are the caller's. Throws `INVALID_RESOURCE`.
 */
export async function createTogether(
  { datastore, clock, createUid }: ResourceClientOptions,
  resources: readonly AnyResource[],
): Promise<bigint | undefined> {
  const creationTimestamp = `${new Date(clock.wallMs()).toISOString().slice(0, 19)}Z`;
  const puts = resources.map((resource) => {
    const metadata = { ...resource.metadata, uid: createUid(), creationTimestamp };
    const valid = validateResource({ ...resource, metadata });
    return {
      type: "put",
      key: resourceKey(valid.kind, valid.metadata.name, valid.metadata.namespace),
      value: encodeResource(valid),
    } as const;
  });
  try {
    const { succeeded, revision } = await datastore.transact({
      compares: puts.map(({ key }) => ({ key, target: "version", result: "equal", value: 0n })),
      success: puts,
    });
    return succeeded ? revision : undefined;
  } catch (error) {
    if (!(error instanceof DatastoreError) || error.code !== "OUTCOME_UNKNOWN") throw error;
    // One of them tells for all; its uid is in no other object.
    const [first] = puts;
    const item = first && (await datastore.get(first.key)).item;
    if (item?.value !== first?.value) throw error;
    return item?.modRevision;
  }
}
