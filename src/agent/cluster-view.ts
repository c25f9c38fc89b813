import type { IpamPool } from "../ipam/pool-selection.ts";
import { Prefix } from "../net/prefix.ts";
import {
  type BgpConfigurationSpec,
  type CidrEntry,
  effectiveBgpConfiguration,
} from "../resources/bgp-configuration.ts";
import { type BgpPeerSpec, effectiveBgpPeer } from "../resources/bgp-peer.ts";
import { effectivePool } from "../resources/ip-pool.ts";
import { nodeAddress } from "../resources/node.ts";
import type { Resource } from "../resources/resource.ts";
import type { PeerAddress } from "../resources/text-formats.ts";
import type { ClusterBgp, ExplicitPeer, PeeringNode } from "./peering/inputs.ts";
import { readPeerAnnotations } from "./peering/peer-annotations.ts";
import type { PeerOptions } from "./peering/peer-options.ts";
import type { ExportSettings } from "./routing/export-policy.ts";
import type { RoutingPool, ServiceRanges } from "./routing/sources.ts";

/** The resources that routing and peering depend on, as they stand in the datastore. */
export interface ClusterResources {
  readonly pools: readonly Resource<"IPPool">[];
  readonly nodes: readonly Resource<"Node">[];
  readonly peers: readonly Resource<"BGPPeer">[];
  readonly configurations: readonly Resource<"BGPConfiguration">[];
  readonly filters: readonly Resource<"BGPFilter">[];
}

export function routingPools(resources: ClusterResources): RoutingPool[] {
  return resources.pools.map(({ metadata, spec }) => {
    const pool = effectivePool(spec, metadata);
    return {
      name: metadata.name,
      cidr: pool.cidr,
      ipipMode: pool.ipipMode,
      vxlanMode: pool.vxlanMode,
      udpMode: pool.udpMode,
      disableBgpExport: pool.disableBgpExport,
    };
  });
}

export function ipamPools(resources: ClusterResources): IpamPool[] {
  return resources.pools.map((resource) => {
    const { metadata, spec } = resource;
    const pool = effectivePool(spec, metadata);
    return { name: metadata.name, ...pool, disabled: pool.disabled || !isAllocatable(resource) };
  });
}

/** False for a pool that is being deleted, or that a controller has found unfit. */
function isAllocatable({ metadata, status }: Resource<"IPPool">): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  const conditions = Array.isArray(status?.conditions) ? (status.conditions as unknown[]) : [];
  return !conditions.some((condition) => {
    const { type, status: state } = (condition ?? {}) as Record<string, unknown>;
    return type === "Allocatable" && state === "False";
  });
}

export function peeringNodes({ nodes, configurations }: ClusterResources): PeeringNode[] {
  const ports = new Map(configurations.map(({ metadata, spec }) => [metadata.name, spec.listenPort]));
  return nodes.map((node) => nodeWithPort(node, ports.get(ownConfiguration(node.metadata.name))));
}

/** The same of one node. */
export function peeringNode(resources: ClusterResources, node: Resource<"Node">): PeeringNode {
  return nodeWithPort(node, configuration(resources, ownConfiguration(node.metadata.name))?.listenPort);
}

/** The AS number of a node, or of one that is not there yet. */
export function asNumberOf(resources: ClusterResources, node: Resource<"Node"> | undefined): number {
  return (node && peeringNode(resources, node).asNumber) ?? clusterBgp(resources).asNumber;
}

function nodeWithPort({ metadata, spec }: Resource<"Node">, listenPort: number | undefined): PeeringNode {
  const ipv4 = nodeAddress(spec, 4)?.address;
  const ipv6 = nodeAddress(spec, 6)?.address;
  const asNumber = spec.bgp?.asNumber;
  const clusterId = spec.bgp?.routeReflectorClusterID;
  return {
    name: metadata.name,
    labels: metadata.labels ?? {},
    ...(ipv4 !== undefined && { ipv4Address: ipv4 }),
    ...(ipv6 !== undefined && { ipv6Address: ipv6 }),
    ...(asNumber !== undefined && asNumber !== 0 && { asNumber }),
    ...(clusterId !== undefined && clusterId !== "" && { routeReflectorClusterId: clusterId }),
    ...(listenPort !== undefined && { listenPort }),
  };
}

/** Name of the BGPConfiguration that holds for one node only. */
function ownConfiguration(nodeName: string): string {
  return `node.${nodeName}`;
}

export function clusterBgp(resources: ClusterResources): ClusterBgp {
  const spec = configuration(resources, "default");
  const effective = effectiveBgpConfiguration(spec);
  const meshPassword = spec?.nodeMeshPassword;
  return {
    asNumber: effective.asNumber,
    meshEnabled: effective.nodeToNodeMeshEnabled,
    meshRestartTimeSec: Math.round(effective.nodeMeshMaxRestartTimeMs / 1000),
    listenPort: effective.listenPort,
    ...(meshPassword !== undefined && { meshPassword }),
    meshOptions: meshAnnotations(resources).options,
  };
}

/** Annotations of the default BGPConfiguration are for the sessions of the mesh. */
function meshAnnotations(resources: ClusterResources) {
  const found = resources.configurations.find(({ metadata }) => metadata.name === "default");
  return readPeerAnnotations("BGPConfiguration default", found?.metadata.annotations);
}

/** What communities routes inside a prefix get when they are announced. */
export function prefixAdvertisements(resources: ClusterResources, nodeName: string): ExportSettings["advertisements"] {
  const effective = effectiveBgpConfiguration(
    configuration(resources, "default"),
    configuration(resources, ownConfiguration(nodeName)),
  );
  return effective.prefixAdvertisements.map(({ cidr, communities }) => ({ cidr: Prefix.parse(cidr), communities }));
}

const excludeLabel = "node.kubernetes.io/exclude-from-external-load-balancers";

/**
 * The ranges of services, and which of them this node announces as a whole. A single address is announced by the nodes that
 * serve it, and so are the addresses of load balancers without aggregation: both need Kubernetes to know them.
 */
export function advertisedServices(resources: ClusterResources, own: PeeringNode): ServiceRanges {
  const spec = configuration(resources, "default") ?? {};
  const ranges = (entries: readonly CidrEntry[] = []) => entries.map(({ cidr }) => Prefix.parse(cidr));
  const cluster = ranges(spec.serviceClusterIPs);
  const external = ranges(spec.serviceExternalIPs);
  const loadBalancer = ranges(spec.serviceLoadBalancerIPs);
  const aggregated = spec.serviceLoadBalancerAggregation === "Disabled" ? [] : loadBalancer;
  return {
    all: [...cluster, ...external, ...loadBalancer],
    outside: [...loadBalancer, ...external],
    announced:
      own.labels[excludeLabel] === "true"
        ? []
        : [...cluster, ...[...external, ...aggregated].filter((prefix) => !prefix.isHost)],
  };
}

/** Where a node waits for its peers: the port that they dial, and if only its own address counts. */
export function listeningOf(
  resources: ClusterResources,
  nodeName: string,
): { readonly port: number; readonly ownAddressOnly: boolean } {
  const { listenPort, bindMode } = effectiveBgpConfiguration(
    configuration(resources, "default"),
    configuration(resources, ownConfiguration(nodeName)),
  );
  return { port: listenPort, ownAddressOnly: bindMode === "NodeIP" };
}

function configuration(resources: ClusterResources, name: string): BgpConfigurationSpec | undefined {
  return resources.configurations.find(({ metadata }) => metadata.name === name)?.spec;
}

const WITHOUT_LOCAL_WORKLOADS =
  "localWorkloadSelector (sessions of each node with its own pods) is not built into this version; " +
  "give a pod's address as peerIP, with its node";

/** The BGPPeers that can be honoured, in the order of their names, and what is wrong with the others. */
export function explicitPeers(resources: ClusterResources): { peers: ExplicitPeer[]; problems: string[] } {
  const peers: ExplicitPeer[] = [];
  const problems: string[] = [];
  for (const { metadata, spec } of resources.peers) {
    if (spec.localWorkloadSelector !== undefined)
      problems.push(`BGPPeer ${metadata.name} is not configured: ${WITHOUT_LOCAL_WORKLOADS}`);
    else {
      const annotated = readPeerAnnotations(`BGPPeer ${metadata.name}`, metadata.annotations);
      problems.push(...annotated.problems);
      const peer = explicitPeer(metadata.name, spec, annotated.options);
      if (peer !== undefined) peers.push(peer);
      for (const name of peer?.filters ?? [])
        if (!resources.filters.some((filter) => filter.metadata.name === name))
          problems.push(`BGPPeer ${metadata.name}: there is no BGPFilter ${name}, so no route passes`);
    }
  }
  problems.push(...meshAnnotations(resources).problems);
  return { peers, problems };
}

function explicitPeer(name: string, spec: BgpPeerSpec, options: PeerOptions): ExplicitPeer | undefined {
  const effective = effectiveBgpPeer(spec);
  const target = targetOf(effective);
  if (target === undefined) return undefined;
  const isGlobal = spec.node === undefined && spec.nodeSelector === undefined;
  const seconds = (milliseconds: number) => Math.round(milliseconds / 1000);
  return {
    name,
    appliesTo: isGlobal ? "global" : (node) => effective.appliesToNode(node.name, node.labels),
    target,
    ...(effective.asNumber !== undefined && effective.asNumber !== 0 && { asNumber: effective.asNumber }),
    ...(effective.localAsNumber !== undefined &&
      effective.localAsNumber !== 0 && { localAsNumber: effective.localAsNumber }),
    nextHopMode: nextHopModes[effective.nextHopMode],
    sourceIsNodeAddress: effective.sourceAddress === "UseNodeIP",
    ...(effective.maxRestartTimeMs !== undefined && { restartTimeSec: seconds(effective.maxRestartTimeMs) }),
    ...(effective.keepaliveTimeMs !== undefined && { keepaliveTimeSec: seconds(effective.keepaliveTimeMs) }),
    allowLocalAs: effective.numAllowedLocalAsNumbers,
    ...(effective.reachableBy !== undefined && { reachableBy: effective.reachableBy }),
    reverse: effective.reversePeering === "Auto",
    filters: spec.filters ?? [],
    ...(spec.password !== undefined && { password: spec.password }),
    ...(effective.minimumTtl !== undefined && { minimumTtl: effective.minimumTtl }),
    options,
  };
}

const nextHopModes = { Auto: "auto", Self: "self", Keep: "keep" } as const;

function targetOf(effective: {
  readonly peer?: PeerAddress;
  readonly selectsPeer?: (labels: Readonly<Record<string, string>>) => boolean;
}): ExplicitPeer["target"] | undefined {
  const { peer, selectsPeer } = effective;
  if (peer !== undefined) return { kind: "address", ...peer };
  return selectsPeer === undefined ? undefined : { kind: "nodes", matches: (node) => selectsPeer(node.labels) };
}
