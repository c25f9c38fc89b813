import type { Prefix } from "../net/prefix.ts";
import type { EffectivePool, PoolUse } from "../resources/ip-pool.ts";
import { IpamError } from "./errors.ts";

/** An IPPool as IPAM needs it. */
export interface IpamPool extends EffectivePool {
  readonly name: string;
}

export type Labels = Readonly<Record<string, string>>;

export interface PoolRequest {
  readonly family: 4 | 6;
  readonly node: string;
  readonly nodeLabels: Labels;
  /** Labels of the pod's namespace; none if it is not known. */
  readonly namespaceLabels: Labels;
  readonly intendedUse: PoolUse;
  /** Ranges of pools to use, in this order, whatever their selectors and assignment mode say. */
  readonly requestedPools?: readonly Prefix[];
}

/**
 * The pools that a request may take addresses from, in the order of preference. Throws `POOL_NOT_ENABLED` if a requested
 * one can't be used, and `NO_POOL` if none is left.
 */
export function selectPools(pools: readonly IpamPool[], request: PoolRequest): readonly IpamPool[] {
  const { family, node, intendedUse } = request;
  const enabled = pools
    .filter((pool) => !pool.disabled && pool.cidr.family === family)
    .sort((left, right) => (left.name < right.name ? -1 : 1));
  const requested = request.requestedPools?.filter((cidr) => cidr.family === family) ?? [];
  const candidates =
    requested.length > 0
      ? requested.map((cidr) => findPool(enabled, cidr))
      : enabled.filter((pool) => serves(pool, request));
  if (candidates.length === 0)
    throw new IpamError(
      "NO_POOL",
      `no configured Calico pools for node ${node}: none of the ${enabled.length} enabled IPv${family} pools has ` +
        "assignmentMode Automatic and selects this node and namespace; create one, or change a nodeSelector",
      { node, family },
    );
  const qualified = candidates.filter((pool) => pool.allowedUses.includes(intendedUse));
  if (qualified.length === 0)
    throw new IpamError(
      "NO_POOL",
      `cannot find a qualified ippool: none of ${names(candidates)} has ${intendedUse} among its allowedUses`,
      { node, family, intendedUse },
    );
  return qualified;
}

/** Whether `selectPools` finds a pool for a request that names none. */
export function offersAddresses(pools: readonly IpamPool[], request: Omit<PoolRequest, "requestedPools">): boolean {
  return pools.some(
    (pool) =>
      !pool.disabled &&
      pool.cidr.family === request.family &&
      pool.allowedUses.includes(request.intendedUse) &&
      serves(pool, request),
  );
}

/** True if a pool gives addresses to the node and namespace of a request without being asked for by name. */
function serves(pool: IpamPool, request: PoolRequest): boolean {
  return (
    pool.assignmentMode === "Automatic" &&
    pool.selectsNode(request.nodeLabels) &&
    pool.selectsNamespace(request.namespaceLabels)
  );
}

function findPool(enabled: readonly IpamPool[], cidr: Prefix): IpamPool {
  const pool = enabled.find((each) => each.cidr.equals(cidr));
  if (pool !== undefined) return pool;
  const message = `the given pool (${cidr}) does not exist, or is not enabled; the enabled ones are: ${names(enabled)}`;
  throw new IpamError("POOL_NOT_ENABLED", message, { cidr: cidr.toString() });
}

function names(pools: readonly IpamPool[]): string {
  return pools.map((pool) => `${pool.name} (${pool.cidr})`).join(", ") || "none";
}
