import { type Labels, offersAddresses } from "../../ipam/pool-selection.ts";
import type { AddressFamily } from "../../net/address.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import { ipamPools } from "../cluster-view.ts";
import type { OwnAddresses } from "../start/own-addresses.ts";

type PoolsAndLabels = Pick<ClusterCache, "resources" | "labelsOf">;

/**
 * The families that a pod of this node gets an address of: those that a pool offers. An IPv6 address is of no use on a node
 * that is in no IPv6 network. Without any pool it is IPv4, so that the error says what is missing.
 */
export function podFamilies(
  cluster: PoolsAndLabels,
  nodeName: string,
  ownAddresses: OwnAddresses,
  namespaceLabels: Labels = {},
): readonly AddressFamily[] {
  const offered = (family: AddressFamily) => isOffered(cluster, nodeName, family, namespaceLabels);
  const ipv6 = ownAddresses[6] !== undefined && offered(6);
  return [...(offered(4) || !ipv6 ? ([4] as const) : []), ...(ipv6 ? ([6] as const) : [])];
}

/** What an operator may not expect of `podFamilies`, one sentence each. */
export function podFamilyProblems(
  cluster: PoolsAndLabels,
  nodeName: string,
  ownAddresses: OwnAddresses,
): readonly string[] {
  if (ownAddresses[6] !== undefined || !isOffered(cluster, nodeName, 6)) return [];
  return [
    "pods get no IPv6 address though there is an IPv6 pool, because this node has none: start its agent with --ip6",
  ];
}

function isOffered(
  cluster: PoolsAndLabels,
  node: string,
  family: AddressFamily,
  namespaceLabels: Labels = {},
): boolean {
  const request = { family, node, nodeLabels: cluster.labelsOf(node), namespaceLabels };
  return offersAddresses(ipamPools(cluster.resources), { ...request, intendedUse: "Workload" });
}
