import { parseDuration } from "./duration.ts";
import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import type { ResourceMetadata } from "./metadata.ts";
import type { NodeSpec } from "./node.ts";
import { type SecretKeySelector, secretReference } from "./secret-reference.ts";
import {
  cidr,
  community,
  communityNameFormat,
  communityReference,
  duration,
  ignoredInterface,
  ipv4Address,
  ipv6Address,
} from "./text-formats.ts";

/** Settings of BGP for the cluster (named `default`) or one node (named `node.<name>`). */
export interface BgpConfigurationSpec {
  readonly logSeverityScreen?: LogSeverity;
  readonly nodeToNodeMeshEnabled?: boolean;
  readonly asNumber?: number;
  readonly serviceLoadBalancerIPs?: readonly CidrEntry[];
  readonly serviceExternalIPs?: readonly CidrEntry[];
  readonly serviceClusterIPs?: readonly CidrEntry[];
  readonly serviceLoadBalancerAggregation?: "Enabled" | "Disabled";
  readonly communities?: readonly { readonly name: string; readonly value: string }[];
  readonly prefixAdvertisements?: readonly PrefixAdvertisement[];
  readonly listenPort?: number;
  readonly nodeMeshPassword?: { readonly secretKeyRef?: SecretKeySelector };
  readonly nodeMeshMaxRestartTime?: string;
  readonly bindMode?: "None" | "NodeIP";
  readonly ignoredInterfaces?: readonly string[];
  readonly localWorkloadPeeringIPV4?: string;
  readonly localWorkloadPeeringIPV6?: string;
  readonly programClusterRoutes?: ProgramClusterRoutes;
  readonly ipv4NormalRoutePriority?: number;
  readonly ipv6NormalRoutePriority?: number;
}

export type LogSeverity = "Trace" | "Debug" | "Info" | "Warning" | "Error" | "Fatal";
export type ProgramClusterRoutes = "Enabled" | "Disabled" | "EnabledIPIPOnly" | "EnabledNoEncapOnly";

export interface CidrEntry {
  readonly cidr: string;
}

export interface PrefixAdvertisement {
  readonly cidr: string;
  /** Names of `communities` or literal ones. */
  readonly communities: readonly string[];
}

/** The settings that hold on one node, with every default in place. */
export interface EffectiveBgpConfiguration {
  readonly logSeverityScreen: LogSeverity;
  readonly nodeToNodeMeshEnabled: boolean;
  /** The cluster's AS number; a Node's own one goes first (`effectiveAsNumber`). */
  readonly asNumber: number;
  readonly listenPort: number;
  readonly bindMode: "None" | "NodeIP";
  readonly nodeMeshMaxRestartTimeMs: number;
  readonly programClusterRoutes: ProgramClusterRoutes;
  readonly ipv4NormalRoutePriority: number;
  readonly ipv6NormalRoutePriority: number;
  readonly ignoredInterfaces: readonly string[];
  /** Communities are literal here: names have been looked up. */
  readonly prefixAdvertisements: readonly PrefixAdvertisement[];
}

const DEFAULT_AS_NUMBER = 64512;
const DEFAULT_PORT = 179;
const DEFAULT_RESTART_MS = 120_000;
const DEFAULT_ROUTE_PRIORITY = 1024;

/** What only the cluster-wide object may set. */
const clusterOnly = [
  "nodeToNodeMeshEnabled",
  "asNumber",
  "serviceClusterIPs",
  "serviceExternalIPs",
  "serviceLoadBalancerIPs",
  "nodeMeshPassword",
  "nodeMeshMaxRestartTime",
] as const satisfies readonly (keyof BgpConfigurationSpec)[];

const cidrEntry = {
  type: "object",
  fields: { cidr: { description: "The prefix, without host bits.", type: "text", required: true, format: cidr } },
} as const;
const routePriority = { type: "integer", min: 1, max: 2147483646 } as const;

export const bgpConfigurationKind = defineKind<BgpConfigurationSpec>({
  kind: "BGPConfiguration",
  description:
    'Settings of BGP: for the whole cluster in the object named "default", for one node in "node.<node name>", which goes first.',
  plural: "bgpconfigurations",
  namespaced: false,
  aliases: ["bgpconfiguration", "bgpconfig", "bgpconfigs"],
  spec: {
    type: "object",
    fields: {
      logSeverityScreen: {
        description: "From which level on BGP logs.",
        default: "Info",
        type: "text",
        values: ["Trace", "Debug", "Info", "Warning", "Error", "Fatal"],
      },
      nodeToNodeMeshEnabled: {
        description: 'Whether all nodes are peers of each other. Only in the object "default".',
        default: "true",
        type: "boolean",
        zero: "keep",
      },
      asNumber: {
        description: 'The AS number of the cluster\'s nodes, unless they have their own. Only in the object "default".',
        default: "64512",
        type: "asNumber",
        zero: "keep",
      },
      serviceLoadBalancerIPs: {
        description: 'Prefixes of load balancers\' addresses that are told to peers. Only in the object "default".',
        default: "none",
        type: "list",
        items: cidrEntry,
      },
      serviceExternalIPs: {
        description: 'Prefixes of services\' external addresses that are told to peers. Only in the object "default".',
        default: "none",
        type: "list",
        items: cidrEntry,
      },
      serviceClusterIPs: {
        description: 'Prefixes of services\' cluster addresses that are told to peers. Only in the object "default".',
        default: "none",
        type: "list",
        items: cidrEntry,
      },
      serviceLoadBalancerAggregation: {
        description: "Enabled: the prefixes of serviceLoadBalancerIPs are told. Disabled: every address of its own.",
        default: "Enabled",
        type: "text",
        values: ["Enabled", "Disabled"],
      },
      communities: {
        description: "Names for communities, for use in prefixAdvertisements.",
        default: "none",
        type: "list",
        items: {
          type: "object",
          fields: {
            name: { description: "The name.", type: "text", required: true, format: communityNameFormat },
            value: {
              description: "The community: 64512:100 (16 bits each) or 64512:1:100 (32 bits each).",
              type: "text",
              required: true,
              format: community,
            },
          },
        },
      },
      prefixAdvertisements: {
        description: "Communities of the routes that we tell, by prefix.",
        default: "none",
        type: "list",
        items: {
          type: "object",
          fields: {
            cidr: {
              description: "Routes to this prefix and those inside it.",
              type: "text",
              required: true,
              format: cidr,
            },
            communities: {
              description: "What they get: names of communities, or communities.",
              type: "list",
              required: true,
              items: { type: "text", format: communityReference },
            },
          },
        },
      },
      listenPort: { description: "The TCP port of BGP.", default: "179", type: "integer", min: 1, max: 65535 },
      nodeMeshPassword: {
        ...secretReference,
        description: 'The password of the mesh (TCP MD5, RFC 2385). Only in the object "default".',
        default: "none",
      },
      nodeMeshMaxRestartTime: {
        description: 'How long routes of a node stay while it restarts (RFC 4724). Only in the object "default".',
        default: "2m0s",
        type: "text",
        format: duration,
      },
      bindMode: {
        description: "NodeIP: BGP listens on the node's address only.",
        default: "None",
        type: "text",
        values: ["None", "NodeIP"],
      },
      ignoredInterfaces: {
        description: "Devices whose prefixes are not routed; * stands for any characters.",
        default: "none besides those of containers",
        type: "list",
        items: { type: "text", format: ignoredInterface },
      },
      localWorkloadPeeringIPV4: {
        description: "The node's IPv4 address for sessions with its pods.",
        default: "none",
        type: "text",
        format: ipv4Address,
      },
      localWorkloadPeeringIPV6: {
        description: "The node's IPv6 address for sessions with its pods.",
        default: "none",
        type: "text",
        format: ipv6Address,
      },
      programClusterRoutes: {
        description:
          "Which routes to other nodes' blocks BGP puts into the kernel: of pools with IP-in-IP, without encapsulation, both, or none.",
        default: "EnabledNoEncapOnly",
        type: "text",
        values: ["Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"],
      },
      ipv4NormalRoutePriority: {
        ...routePriority,
        description: "The metric of IPv4 routes in the kernel.",
        default: "1024",
      },
      ipv6NormalRoutePriority: {
        ...routePriority,
        description: "The metric of IPv6 routes in the kernel.",
        default: "1024",
      },
    },
  },
  check: checkBgpConfiguration,
});

/** The settings of one node: its own object goes before the cluster's, except for what only the cluster's may set. */
export function effectiveBgpConfiguration(
  cluster: BgpConfigurationSpec = {},
  node: BgpConfigurationSpec = {},
): EffectiveBgpConfiguration {
  const literalOf = new Map(
    [...(cluster.communities ?? []), ...(node.communities ?? [])].map((c) => [c.name, c.value]),
  );
  const advertisements = node.prefixAdvertisements ?? cluster.prefixAdvertisements ?? [];
  return {
    logSeverityScreen: node.logSeverityScreen ?? cluster.logSeverityScreen ?? "Info",
    nodeToNodeMeshEnabled: cluster.nodeToNodeMeshEnabled ?? true,
    asNumber: cluster.asNumber ?? DEFAULT_AS_NUMBER,
    listenPort: node.listenPort ?? cluster.listenPort ?? DEFAULT_PORT,
    bindMode: node.bindMode ?? cluster.bindMode ?? "None",
    nodeMeshMaxRestartTimeMs: parseDuration(cluster.nodeMeshMaxRestartTime ?? "") ?? DEFAULT_RESTART_MS,
    programClusterRoutes: node.programClusterRoutes ?? cluster.programClusterRoutes ?? "EnabledNoEncapOnly",
    ipv4NormalRoutePriority: node.ipv4NormalRoutePriority ?? cluster.ipv4NormalRoutePriority ?? DEFAULT_ROUTE_PRIORITY,
    ipv6NormalRoutePriority: node.ipv6NormalRoutePriority ?? cluster.ipv6NormalRoutePriority ?? DEFAULT_ROUTE_PRIORITY,
    ignoredInterfaces: node.ignoredInterfaces ?? cluster.ignoredInterfaces ?? [],
    prefixAdvertisements: advertisements.map((advertisement) => ({
      cidr: advertisement.cidr,
      communities: advertisement.communities.map((name) => literalOf.get(name) ?? name),
    })),
  };
}

/** The AS number of a node: its own, else the cluster's, else 64512. */
export function effectiveAsNumber(node: NodeSpec, cluster: BgpConfigurationSpec = {}): number {
  return node.bgp?.asNumber ?? effectiveBgpConfiguration(cluster).asNumber;
}

function checkBgpConfiguration(spec: BgpConfigurationSpec, metadata: ResourceMetadata): FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (metadata.name.startsWith("node."))
    for (const field of clusterOnly)
      if (spec[field] !== undefined)
        problems.push(specProblem(field, spec[field], 'can be set in the object named "default" only'));
  if (metadata.name !== "default" && !/^node\../.test(metadata.name))
    problems.push({
      path: ["metadata", "name"],
      value: metadata.name,
      reason: 'must be "default" or "node.<node name>"',
    });
  if (spec.nodeToNodeMeshEnabled === false)
    for (const field of ["nodeMeshPassword", "nodeMeshMaxRestartTime"] as const)
      if (spec[field] !== undefined) problems.push(specProblem(field, spec[field], "needs nodeToNodeMeshEnabled"));
  if (spec.communities !== undefined && spec.prefixAdvertisements === undefined)
    problems.push(specProblem("communities", spec.communities, "needs prefixAdvertisements that use them"));
  problems.push(...checkCommunityNames(spec));
  return problems;
}

function checkCommunityNames(spec: BgpConfigurationSpec): FieldProblem[] {
  const names = new Set(spec.communities?.map(({ name }) => name));
  return (spec.prefixAdvertisements ?? []).flatMap((advertisement, at) =>
    advertisement.communities.flatMap((reference, index) =>
      reference.includes(":") || names.has(reference)
        ? []
        : [
            specProblem(
              `prefixAdvertisements.${at}.communities.${index}`,
              reference,
              "must be one of the names in spec.communities, or a community such as 64512:100",
            ),
          ],
    ),
  );
}
