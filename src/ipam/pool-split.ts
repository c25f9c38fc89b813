import type { Datastore } from "../datastore/datastore.ts";
import type { ResourceClient } from "../datastore/resource-client.ts";
import { Prefix } from "../net/prefix.ts";
import { effectivePool } from "../resources/ip-pool.ts";
import { encodeResource, type Resource } from "../resources/resource.ts";
import { resourceKey } from "../resources/resource-keys.ts";
import { IpamError } from "./errors.ts";

/** Parts of a pool; a transaction has room for 128 operations. */
const MAX_PARTS = 64;

/** The parts that a pool would be split into: `split-<pool>-<n>`, like it but for the range. Throws `INVALID_RANGE`. */
export function planPoolSplit(
  pool: Resource<"IPPool">,
  parts: number,
): Pick<Resource<"IPPool">, "metadata" | "spec">[] {
  const { cidr, blockSize } = effectivePool(pool.spec);
  const length = cidr.length + Math.log2(parts);
  if (!Number.isInteger(length) || parts < 2 || parts > MAX_PARTS || length > blockSize)
    throw new IpamError(
      "INVALID_RANGE",
      `pool ${pool.metadata.name} (${cidr}) can't be split into ${parts}: it must be a power of two from 2 to ` +
        `${Math.min(MAX_PARTS, 2 ** (blockSize - cidr.length))}, so that each part holds a block of /${blockSize}`,
      { pool: pool.metadata.name, parts },
    );
  const { labels, annotations } = pool.metadata;
  return Array.from({ length: parts }, (_, index) => ({
    metadata: {
      name: `split-${pool.metadata.name}-${index}`,
      ...(labels !== undefined && { labels }),
      ...(annotations !== undefined && { annotations }),
    },
    spec: { ...pool.spec, cidr: cidr.subnet(length, index).toString() },
  }));
}

/**
 * Puts the parts in the place of a pool in one transaction, so that there is no moment without a pool and none with two that
 * overlap. Blocks and addresses stay as they are. Returns the parts' names and ranges. Throws `INVALID_RANGE`,
 * `RESOURCE_NOT_FOUND`, and `CONFLICT` if the pool has changed meanwhile or a part exists.
 */
export async function splitPool(
  {
    client,
    datastore,
    createUid,
    nowMs,
  }: {
    readonly client: ResourceClient;
    readonly datastore: Datastore;
    /** A fresh random UUID (version 4). */
    readonly createUid: () => string;
    readonly nowMs: number;
  },
  name: string,
  parts: number,
): Promise<readonly { readonly name: string; readonly cidr: Prefix }[]> {
  const pool = await client.get("IPPool", name);
  const creationTimestamp = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const planned: Resource<"IPPool">[] = planPoolSplit(pool, parts).map(({ metadata, spec }) => ({
    kind: "IPPool",
    apiVersion: pool.apiVersion,
    metadata: { ...metadata, uid: createUid(), creationTimestamp },
    spec,
  }));
  const oldKey = resourceKey("IPPool", name);
  const keyOf = ({ metadata }: Resource<"IPPool">) => resourceKey("IPPool", metadata.name);
  const { succeeded } = await datastore.transact({
    compares: [
      { key: oldKey, target: "modRevision", result: "equal", value: BigInt(pool.metadata.resourceVersion ?? "0") },
      ...planned.map((part) => ({ key: keyOf(part), target: "version", result: "equal", value: 0n }) as const),
    ],
    success: [
      { type: "delete", key: oldKey },
      ...planned.map((part) => ({ type: "put", key: keyOf(part), value: encodeResource(part) }) as const),
    ],
  });
  if (!succeeded)
    throw new IpamError(
      "CONFLICT",
      `pool ${name} was changed meanwhile, or one of ${planned.map(({ metadata }) => metadata.name).join(", ")} exists; ` +
        "look at the pools and try again",
      { pool: name },
    );
  return planned.map(({ metadata, spec }) => ({ name: metadata.name, cidr: Prefix.parse(spec.cidr) }));
}
