import { ResourceError } from "../resources/errors.ts";
import type { ResourceKind } from "../resources/kinds.ts";
import { decodeResource, type Resource } from "../resources/resource.ts";
import { parseResourceKey, resourcePrefix } from "../resources/resource-keys.ts";
import type { Datastore, KeyValue } from "./datastore.ts";

/** A stored value that is no object of its kind; `error` names the key and what is wrong. */
export interface InvalidValue {
  readonly key: string;
  readonly error: ResourceError;
}

export interface StoredResource<Kind extends ResourceKind> {
  readonly resource: Resource<Kind>;
  readonly createRevision: bigint;
}

/** One stored value as an object; throws `INVALID_STORED_VALUE`. */
export function decodeItem<Kind extends ResourceKind>(kind: Kind, item: KeyValue): Resource<Kind> {
  const resource = decodeResource(item.key, item.value, item.modRevision);
  if (resource.kind !== kind)
    throw new ResourceError("INVALID_STORED_VALUE", `${item.key} holds no ${kind}`, { key: item.key });
  return resource as unknown as Resource<Kind>;
}

/** As `decodeItem`, but the error as a value. */
export function tryDecodeItem<Kind extends ResourceKind>(
  kind: Kind,
  item: KeyValue,
): { resource: Resource<Kind> } | { error: ResourceError } {
  try {
    return { resource: decodeItem(kind, item) };
  } catch (error) {
    if (error instanceof ResourceError) return { error };
    throw error;
  }
}

/** All objects of a kind (in one namespace), by key. A value that is none is reported beside them and stops nothing. */
export async function listResources<Kind extends ResourceKind>(
  datastore: Datastore,
  kind: Kind,
  namespace?: string,
): Promise<{ items: StoredResource<Kind>[]; invalid: InvalidValue[]; revision: bigint }> {
  const { items: stored, revision } = await datastore.list(resourcePrefix(kind, namespace));
  const items: StoredResource<Kind>[] = [];
  const invalid: InvalidValue[] = [];
  for (const item of stored) {
    if (parseResourceKey(item.key) === undefined) continue;
    const result = tryDecodeItem(kind, item);
    if ("error" in result) invalid.push({ key: item.key, error: result.error });
    else items.push({ resource: result.resource, createRevision: item.createRevision });
  }
  return { items, invalid, revision };
}
