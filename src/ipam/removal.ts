import type { Clock } from "../core/clock.ts";
import type { Datastore } from "../datastore/datastore.ts";
import { nodeClaimKey } from "../datastore/own-keys.ts";
import type { DeleteOptions, ResourceClient } from "../datastore/resource-client.ts";
import { ResourceError } from "../resources/errors.ts";
import { effectivePool } from "../resources/ip-pool.ts";
import type { ResourceKind } from "../resources/kinds.ts";
import type { Resource } from "../resources/resource.ts";
import { IpamAdministration } from "./administration.ts";
import { type Allocation, allocationsOf } from "./allocations.ts";
import { endpointAddresses } from "./cluster-facts.ts";
import { IpamError } from "./errors.ts";
import { readBlocks } from "./survey.ts";

/** How long agents get to hear that a pool is disabled before its blocks are given up. */
const DISABLED_MS = 500;

export interface RemovalParts {
  readonly client: ResourceClient;
  readonly datastore: Datastore;
  readonly clock: Clock;
  /** Numbers in [0, 1). */
  readonly random: () => number;
}

/**
 * Deletes an object, and what hangs on it: of a Node its addresses, blocks, endpoints and settings (unless its agent lives,
 * which would write it again); of an IPPool its empty blocks. Throws as `ResourceClient.delete`, and IpamError.
 */
export async function removeResource(
  parts: RemovalParts,
  kind: ResourceKind,
  name: string,
  options: DeleteOptions = {},
): Promise<void> {
  const { client } = parts;
  if (kind === "Node" && isWanted(await client.get(kind, name), options)) await emptyNode(parts, name);
  if (kind === "IPPool") {
    const pool = await client.get(kind, name);
    if (isWanted(pool, options)) return removePool(parts, pool);
  }
  await client.delete(kind, name, options);
}

/** False if the options ask for another object than the one that is there. */
function isWanted({ metadata }: Pick<Resource, "metadata">, { uid, resourceVersion }: DeleteOptions): boolean {
  const hasUid = uid === undefined || uid === metadata.uid;
  return hasUid && (resourceVersion === undefined || resourceVersion === metadata.resourceVersion);
}

/** Frees everything that a node has, its tunnels' addresses of either family too. */
async function emptyNode(parts: RemovalParts, name: string): Promise<void> {
  const { client, datastore } = parts;
  if ((await datastore.get(nodeClaimKey(name))).item !== undefined) return;
  const endpoints = (await client.list("WorkloadEndpoint")).resources.filter(({ spec }) => spec.node === name);
  const used = new Set(endpoints.flatMap(({ spec }) => endpointAddresses(spec)).map(String));
  const administration = administrationOf(parts, (await client.list("IPPool")).resources);
  const { blocks } = await readBlocks(datastore);
  for (const allocation of blocks.flatMap(allocationsOf)) {
    const { node, coolingDown, address } = allocation;
    if (coolingDown || !(node === name || (node === undefined && used.has(address.toString())))) continue;
    await release(administration, allocation);
  }
  for (const { metadata } of endpoints)
    await ignoreMissing(
      client.delete("WorkloadEndpoint", metadata.name, { namespace: metadata.namespace ?? "default" }),
    );
  await administration.releaseNode(name, { onlyEmpty: false });
  for (const kind of ["BGPPeer", "HostEndpoint"] as const)
    for (const { metadata, spec } of (await client.list(kind)).resources)
      if (spec.node === name) await ignoreMissing(client.delete(kind, metadata.name));
  for (const kind of ["FelixConfiguration", "BGPConfiguration"] as const)
    await ignoreMissing(client.delete(kind, `node.${name}`));
}

/** Blocks in use keep their owner, and its routes, until their last address is free. */
async function removePool(parts: RemovalParts, pool: Resource<"IPPool">): Promise<void> {
  const { client, clock } = parts;
  const { name } = pool.metadata;
  const administration = administrationOf(parts, [pool]);
  const disabled = pool.spec.disabled ? pool : await client.update({ ...pool, spec: { ...pool.spec, disabled: true } });
  if (pool !== disabled) await new Promise<void>((resolve) => clock.setTimer(DISABLED_MS, resolve));
  await administration.releaseRange(effectivePool(pool.spec).cidr, { onlyEmpty: true });
  const { resourceVersion } = disabled.metadata;
  await client.delete("IPPool", name, resourceVersion === undefined ? {} : { resourceVersion });
}

function administrationOf(
  { datastore, clock, random }: RemovalParts,
  pools: readonly Resource<"IPPool">[],
): IpamAdministration {
  const effective = pools.map(({ metadata, spec }) => ({ name: metadata.name, ...effectivePool(spec, metadata) }));
  return new IpamAdministration({ datastore, clock, random, pools: () => effective });
}

async function release(administration: IpamAdministration, allocation: Allocation): Promise<void> {
  const { address, handleId, sequenceNumber } = allocation;
  try {
    await administration.release([{ address, sequenceNumber, ...(handleId !== undefined && { handleId }) }]);
  } catch (error) {
    // It has been freed and taken again meanwhile.
    if (!(error instanceof IpamError && error.code === "ADDRESS_IN_USE")) throw error;
  }
}

async function ignoreMissing(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!(error instanceof ResourceError && error.code === "RESOURCE_NOT_FOUND")) throw error;
  }
}
