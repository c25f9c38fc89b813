import { didYouMean } from "../core/nearest-name.ts";
import { type BgpConfigurationSpec, bgpConfigurationKind } from "./bgp-configuration.ts";
import { type BgpFilterSpec, bgpFilterKind } from "./bgp-filter.ts";
import { type BgpPeerSpec, bgpPeerKind } from "./bgp-peer.ts";
import { type BlockAffinitySpec, blockAffinityKind } from "./block-affinity.ts";
import { type CalicoNodeStatusSpec, calicoNodeStatusKind } from "./calico-node-status.ts";
import { type ClusterInformationSpec, clusterInformationKind } from "./cluster-information.ts";
import { ResourceError } from "./errors.ts";
import { type FelixConfigurationSpec, felixConfigurationKind } from "./felix-configuration.ts";
import { type IpPoolSpec, ipPoolKind } from "./ip-pool.ts";
import { type IpReservationSpec, ipReservationKind } from "./ip-reservation.ts";
import { type IpamConfigurationSpec, ipamConfigurationKind } from "./ipam-configuration.ts";
import type { KindDefinition } from "./kind-definition.ts";
import {
  type KubeControllersConfigurationSpec,
  kubeControllersConfigurationKind,
} from "./kube-controllers-configuration.ts";
import { type NodeSpec, nodeKind } from "./node.ts";
import { type HostEndpointSpec, hostEndpointKind } from "./policy/host-endpoint.ts";
import {
  type GlobalNetworkPolicySpec,
  globalNetworkPolicyKind,
  type NetworkPolicySpec,
  networkPolicyKind,
} from "./policy/network-policy.ts";
import { globalNetworkSetKind, type NetworkSetSpec, networkSetKind } from "./policy/network-set.ts";
import { type ProfileSpec, profileKind } from "./policy/profile.ts";
import { type TierSpec, tierKind } from "./policy/tier.ts";
import { type WorkloadEndpointSpec, workloadEndpointKind } from "./workload-endpoint.ts";

/** The spec of every kind that we know. */
export interface SpecByKind {
  readonly BGPConfiguration: BgpConfigurationSpec;
  readonly BGPFilter: BgpFilterSpec;
  readonly BGPPeer: BgpPeerSpec;
  readonly BlockAffinity: BlockAffinitySpec;
  readonly CalicoNodeStatus: CalicoNodeStatusSpec;
  readonly ClusterInformation: ClusterInformationSpec;
  readonly FelixConfiguration: FelixConfigurationSpec;
  readonly GlobalNetworkPolicy: GlobalNetworkPolicySpec;
  readonly GlobalNetworkSet: NetworkSetSpec;
  readonly HostEndpoint: HostEndpointSpec;
  readonly IPAMConfiguration: IpamConfigurationSpec;
  readonly IPPool: IpPoolSpec;
  readonly IPReservation: IpReservationSpec;
  readonly KubeControllersConfiguration: KubeControllersConfigurationSpec;
  readonly NetworkPolicy: NetworkPolicySpec;
  readonly NetworkSet: NetworkSetSpec;
  readonly Node: NodeSpec;
  readonly Profile: ProfileSpec;
  readonly Tier: TierSpec;
  readonly WorkloadEndpoint: WorkloadEndpointSpec;
}

export type ResourceKind = keyof SpecByKind;

/** The table of kinds. */
export const kinds: { readonly [Kind in ResourceKind]: KindDefinition } = {
  BGPConfiguration: bgpConfigurationKind,
  BGPFilter: bgpFilterKind,
  BGPPeer: bgpPeerKind,
  BlockAffinity: blockAffinityKind,
  CalicoNodeStatus: calicoNodeStatusKind,
  ClusterInformation: clusterInformationKind,
  FelixConfiguration: felixConfigurationKind,
  GlobalNetworkPolicy: globalNetworkPolicyKind,
  GlobalNetworkSet: globalNetworkSetKind,
  HostEndpoint: hostEndpointKind,
  IPAMConfiguration: ipamConfigurationKind,
  IPPool: ipPoolKind,
  IPReservation: ipReservationKind,
  KubeControllersConfiguration: kubeControllersConfigurationKind,
  NetworkPolicy: networkPolicyKind,
  NetworkSet: networkSetKind,
  Node: nodeKind,
  Profile: profileKind,
  Tier: tierKind,
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

/** Throws `UNSUPPORTED_OPERATION` for a kind whose objects only software makes and changes. */
export function requireEditable(kind: ResourceKind): void {
  if (kinds[kind].readOnly !== true) return;
  const message = `${kind} objects can be read only: ${kinds[kind].description}`;
  throw new ResourceError("UNSUPPORTED_OPERATION", message, { kind });
}
