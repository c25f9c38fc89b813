import { didYouMean } from "../core/nearest-name.ts";
import { type BgpConfigurationSpec, bgpConfigurationKind } from "./bgp-configuration.ts";
import { type BgpFilterSpec, bgpFilterKind } from "./bgp-filter.ts";
import { type BgpPeerSpec, bgpPeerKind } from "./bgp-peer.ts";
import { ResourceError } from "./errors.ts";
import { type IpPoolSpec, ipPoolKind } from "./ip-pool.ts";
import type { KindDefinition } from "./kind-definition.ts";
import { type NodeSpec, nodeKind } from "./node.ts";
import { type WorkloadEndpointSpec, workloadEndpointKind } from "./workload-endpoint.ts";

/** The spec of every kind that we know. */
export interface SpecByKind {
  readonly BGPConfiguration: BgpConfigurationSpec;
  readonly BGPFilter: BgpFilterSpec;
  readonly BGPPeer: BgpPeerSpec;
  readonly IPPool: IpPoolSpec;
  readonly Node: NodeSpec;
  readonly WorkloadEndpoint: WorkloadEndpointSpec;
}

export type ResourceKind = keyof SpecByKind;

/** The table of kinds. */
export const kinds: { readonly [Kind in ResourceKind]: KindDefinition } = {
  BGPConfiguration: bgpConfigurationKind,
  BGPFilter: bgpFilterKind,
  BGPPeer: bgpPeerKind,
  IPPool: ipPoolKind,
  Node: nodeKind,
  WorkloadEndpoint: workloadEndpointKind,
};

export const resourceKinds = Object.keys(kinds) as readonly ResourceKind[];

export function isResourceKind(kind: string): kind is ResourceKind {
  return Object.hasOwn(kinds, kind);
}

const kindByName = new Map(
  resourceKinds.flatMap((kind) =>
    [kind.toLowerCase(), kinds[kind].plural, ...kinds[kind].aliases].map((name) => [name, kind]),
  ),
);

/** The kind of a name on the command line: the kind, its plural or an alias, in any case. Throws `UNKNOWN_KIND`. */
export function findKind(name: string): ResourceKind {
  const kind = kindByName.get(name.toLowerCase());
  if (kind !== undefined) return kind;
  const hint = didYouMean(name, kindByName.keys()) || `; known are ${resourceKinds.join(", ")}`;
  throw new ResourceError("UNKNOWN_KIND", `unknown kind "${name}"${hint}`, { kind: name });
}
