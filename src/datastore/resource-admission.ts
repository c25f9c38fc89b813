import { Prefix } from "../net/prefix.ts";
import { invalidResource, ResourceError } from "../resources/errors.ts";
import type { FieldProblem } from "../resources/field-problem.ts";
import { checkPoolChange, effectivePool, type IpPoolSpec } from "../resources/ip-pool.ts";
import { specProblem } from "../resources/kind-definition.ts";
import { kinds, type ResourceKind } from "../resources/kinds.ts";
import type { NetworkPolicySpec } from "../resources/policy/network-policy.ts";
import { DEFAULT_ALLOW_PROFILE } from "../resources/policy/profile.ts";
import { isBuiltInTier } from "../resources/policy/tier.ts";
import { type AnyResource, describeResource, type Resource } from "../resources/resource.ts";
import { resourceKey } from "../resources/resource-keys.ts";
import type { Datastore } from "./datastore.ts";
import { listResources } from "./stored-resources.ts";

/** Rules between objects for one that is new. Throws `INVALID_RESOURCE`. */
export async function admitCreate(datastore: Datastore, resource: AnyResource): Promise<void> {
  const problems: FieldProblem[] = [];
  if (resource.kind === "IPPool") {
    problems.push(...(await findPoolOverlaps(datastore, resource)));
    problems.push(...(await findBlockSizeClash(datastore, resource.spec)));
  } else if (resource.kind === "BGPPeer") problems.push(...(await findMissingFilters(datastore, resource)));
  else if (resource.kind === "NetworkPolicy" || resource.kind === "GlobalNetworkPolicy")
    problems.push(...(await findMissingTier(datastore, resource.spec)));
  else if (resource.kind === "Profile" && resource.metadata.name === DEFAULT_ALLOW_PROFILE)
    throw new ResourceError("RESOURCE_EXISTS", `${describeResource(resource)} is always there and can't be changed`);
  if (problems.length > 0) throw invalidResource(resource.kind, problems);
}

/** Rules between objects, and between an object and what it was. Throws `INVALID_RESOURCE`. */
export async function admitUpdate(datastore: Datastore, before: AnyResource, after: AnyResource): Promise<void> {
  const problems: FieldProblem[] = [];
  if (before.kind === "IPPool" && after.kind === "IPPool") problems.push(...checkPoolChange(before.spec, after.spec));
  else if (after.kind === "BGPPeer") problems.push(...(await findMissingFilters(datastore, after)));
  if (problems.length > 0) throw invalidResource(after.kind, problems);
}

/** What must stay: throws `UNSUPPORTED_OPERATION`. */
export async function admitDelete(datastore: Datastore, kind: ResourceKind, name: string): Promise<void> {
  const refuse = (reason: string) =>
    new ResourceError("UNSUPPORTED_OPERATION", `${kind}(${name}) can't be deleted: ${reason}`, { kind, name });
  if (kind === "Profile" && name === DEFAULT_ALLOW_PROFILE) throw refuse("it is always there and never stored");
  if (kinds[kind].storedForm !== undefined && kinds[kind].readOnly === true)
    throw refuse("it is a view of what address management stores");
  if (kind !== "Tier") return;
  if (isBuiltInTier(name)) throw refuse("every cluster has this tier");
  for (const policyKind of ["NetworkPolicy", "GlobalNetworkPolicy"] as const) {
    const { items } = await listResources(datastore, policyKind);
    const policy = items.find(({ resource }) => resource.spec.tier === name);
    if (policy !== undefined) throw refuse(`${describeResource(policy.resource)} is in it`);
  }
}

/**
 * Pools that share addresses with this one. With `olderThan` (a revision) only those that were created before: of two
 * that are created at the same moment, the second finds the first and gives way.
 */
export async function findPoolOverlaps(
  datastore: Datastore,
  pool: Resource<"IPPool">,
  olderThan?: bigint,
): Promise<FieldProblem[]> {
  const { cidr } = effectivePool(pool.spec);
  const { items } = await listResources(datastore, "IPPool");
  return items
    .filter(({ resource }) => resource.metadata.name !== pool.metadata.name)
    .filter(({ createRevision }) => olderThan === undefined || createRevision < olderThan)
    .filter(({ resource }) => effectivePool(resource.spec).cidr.overlaps(cidr))
    .map(({ resource }) =>
      specProblem("cidr", pool.spec.cidr, `overlaps ${resource.spec.cidr} of ${describeResource(resource)}`),
    );
}

/** Blocks that are left in the range of a new pool must have its block size. */
async function findBlockSizeClash(datastore: Datastore, spec: IpPoolSpec): Promise<FieldProblem[]> {
  const { cidr, blockSize } = effectivePool(spec);
  const prefix = `/calico/ipam/v2/assignment/ipv${cidr.family}/block/`;
  const { items } = await datastore.list(prefix);
  const clash = items
    .map(({ key }) => Prefix.tryParse(key.slice(prefix.length).replace(/-(\d+)$/, "/$1")))
    .find((block) => block?.overlaps(cidr) === true && block.length !== blockSize);
  return clash === undefined
    ? []
    : [specProblem("blockSize", blockSize, `must be ${clash.length}, because the block ${clash} is still there`)];
}

async function findMissingFilters(datastore: Datastore, peer: Resource<"BGPPeer">): Promise<FieldProblem[]> {
  const names = peer.spec.filters ?? [];
  const stored = await Promise.all(names.map((name) => datastore.get(resourceKey("BGPFilter", name))));
  return names.flatMap((name, index) =>
    stored[index]?.item === undefined
      ? [specProblem(`filters.${index}`, name, "must be the name of a BGPFilter that exists")]
      : [],
  );
}

/** The default tier need not be stored: the first agent or Calico's first node makes it. */
async function findMissingTier(datastore: Datastore, { tier = "default" }: NetworkPolicySpec): Promise<FieldProblem[]> {
  if (tier === "default" || (await datastore.get(resourceKey("Tier", tier))).item !== undefined) return [];
  return [specProblem("tier", tier, "must be the name of a Tier that exists")];
}
