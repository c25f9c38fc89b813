import { offersAddresses } from "../../ipam/pool-selection.ts";
import type { AddressFamily } from "../../net/address.ts";
import { type ClusterResources, ipamPools, labelsOf } from "../cluster-view.ts";
import type { OwnAddresses } from "../own-addresses.ts";

/**
 * The families that a pod of this node gets an address of: those that a pool offers. An IPv6 address is of no use on a node
 * that is in no IPv6 network. Without any pool it is IPv4, so that the error says what is missing.
 */
export function podFamilies(
  resources: ClusterResources,
  nodeName: string,
  ownAddresses: OwnAddresses,
): readonly AddressFamily[] {
  const offered = (family: AddressFamily) => isOffered(resources, nodeName, family);
  const ipv6 = ownAddresses[6] !== undefined && offered(6);
  return [...(offered(4) || !ipv6 ? ([4] as const) : []), ...(ipv6 ? ([6] as const) : [])];
}

/** What an operator may not expect of `podFamilies`, one sentence each. */
export function podFamilyProblems(
  resources: ClusterResources,
  nodeName: string,
  ownAddresses: OwnAddresses,
): readonly string[] {
  if (ownAddresses[6] !== undefined || !isOffered(resources, nodeName, 6)) return [];
  return [
    "pods get no IPv6 address though there is an IPv6 pool, because this node has none: start its agent with --ip6",
  ];
}

function isOffered(resources: ClusterResources, node: string, family: AddressFamily): boolean {
  const request = { family, node, nodeLabels: labelsOf(resources, node), namespaceLabels: {} };
  return offersAddresses(ipamPools(resources), { ...request, intendedUse: "Workload" });
}
