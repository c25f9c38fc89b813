import type { ResourceClient } from "../datastore/resource-client.ts";
import { IpAddress } from "../net/address.ts";
import { effectivePool } from "../resources/ip-pool.ts";
import { nodeTunnelAddresses } from "../resources/node-tunnel-addresses.ts";
import type { Resource } from "../resources/resource.ts";
import type { IpamPool } from "./pool-selection.ts";

/** Who says that it uses an address. */
export interface AddressUse {
  readonly address: IpAddress;
  readonly node: string;
  /** `pod NAMESPACE/NAME`, `endpoint NAMESPACE/NAME`, or `KIND tunnel of NODE`. */
  readonly user: string;
}

/** What the cluster's resources say about addresses. */
export interface ClusterFacts {
  readonly pools: readonly IpamPool[];
  readonly nodes: ReadonlySet<string>;
  readonly uses: readonly AddressUse[];
}

export async function readClusterFacts(client: ResourceClient): Promise<ClusterFacts> {
  const [pools, nodes, endpoints] = await Promise.all([
    client.list("IPPool"),
    client.list("Node"),
    client.list("WorkloadEndpoint"),
  ]);
  return {
    pools: pools.resources.map(({ metadata, spec }) => ({ name: metadata.name, ...effectivePool(spec, metadata) })),
    nodes: new Set(nodes.resources.map(({ metadata }) => metadata.name)),
    uses: [...nodes.resources.flatMap(usesOfNode), ...endpoints.resources.flatMap(usesOfEndpoint)],
  };
}

function usesOfNode(node: Resource<"Node">): AddressUse[] {
  const { name } = node.metadata;
  return nodeTunnelAddresses(node).map(({ tunnel, address }) => ({
    address,
    node: name,
    user: `${tunnel} tunnel of ${name}`,
  }));
}

function usesOfEndpoint({ metadata, spec }: Resource<"WorkloadEndpoint">): AddressUse[] {
  const name =
    spec.pod === undefined
      ? `endpoint ${metadata.namespace}/${metadata.name}`
      : `pod ${metadata.namespace}/${spec.pod}`;
  return endpointAddresses(spec).map((address) => ({ address, node: spec.node ?? "", user: name }));
}

/** The addresses of an endpoint; networks of more than one address are none. */
export function endpointAddresses({ ipNetworks = [] }: Resource<"WorkloadEndpoint">["spec"]): IpAddress[] {
  return ipNetworks.flatMap((network) => {
    const [text = "", length] = network.split("/");
    const address = IpAddress.tryParse(text);
    return address !== undefined && (length === undefined || Number(length) === address.bits) ? [address] : [];
  });
}
