import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import type { ResourceMetadata } from "./metadata.ts";
import type { ObjectSchema } from "./schema.ts";
import { cidr, ipAddress, ipv4Address, ipv6Address, macAddress } from "./text-formats.ts";

/** One network interface of a pod. */
export interface WorkloadEndpointSpec {
  readonly orchestrator?: string;
  readonly workload?: string;
  readonly node?: string;
  readonly containerID?: string;
  readonly pod?: string;
  readonly endpoint?: string;
  readonly serviceAccountName?: string;
  /** Host prefixes: `10.244.7.66/32`. */
  readonly ipNetworks?: readonly string[];
  readonly ipNATs?: readonly { readonly internalIP: string; readonly externalIP: string }[];
  readonly ipv4Gateway?: string;
  readonly ipv6Gateway?: string;
  readonly profiles?: readonly string[];
  /** The host's end of the veth. */
  readonly interfaceName?: string;
  /** The pod's end of the veth. */
  readonly mac?: string;
  readonly ports?: readonly WorkloadEndpointPort[];
  readonly allowSpoofedSourcePrefixes?: readonly string[];
  readonly qosControls?: QosControls;
}

export interface WorkloadEndpointPort {
  readonly name: string;
  readonly protocol: number | string;
  readonly port: number;
  readonly hostPort: number;
  readonly hostIP: string;
}

type QosQuantity = "Bandwidth" | "Burst" | "Peakrate" | "Minburst" | "PacketRate" | "PacketBurst" | "MaxConnections";

/** Limits of an endpoint; bits, bytes, packets or connections as the name says. */
export type QosControls = { readonly [Limit in `${"ingress" | "egress"}${QosQuantity}`]?: number } & {
  readonly dscp?: number | string;
};

const limit = { type: "integer", min: 0, max: Number.MAX_SAFE_INTEGER } as const;
const port = { type: "integer", zero: "fill", min: 0, max: 65535 } as const;

const qosSchema: ObjectSchema<QosControls> = {
  type: "object",
  fields: {
    ingressBandwidth: limit,
    egressBandwidth: limit,
    ingressBurst: limit,
    egressBurst: limit,
    ingressPeakrate: limit,
    egressPeakrate: limit,
    ingressMinburst: limit,
    egressMinburst: limit,
    ingressPacketRate: limit,
    egressPacketRate: limit,
    ingressPacketBurst: limit,
    egressPacketBurst: limit,
    ingressMaxConnections: limit,
    egressMaxConnections: limit,
    dscp: { type: "numberOrText", zero: "keep", max: 63 },
  },
};

export const workloadEndpointKind = defineKind<WorkloadEndpointSpec>({
  kind: "WorkloadEndpoint",
  description:
    "One network interface of a pod: its addresses and the device on its node. Written when the pod is connected.",
  plural: "workloadendpoints",
  namespaced: true,
  aliases: ["workloadendpoint", "wep", "weps"],
  spec: {
    type: "object",
    fields: {
      orchestrator: { type: "text" },
      workload: { type: "text" },
      node: { type: "text" },
      containerID: { type: "text" },
      pod: { type: "text" },
      endpoint: { type: "text" },
      serviceAccountName: { type: "text" },
      ipNetworks: { type: "list", items: { type: "text", format: cidr } },
      ipNATs: {
        type: "list",
        items: {
          type: "object",
          fields: {
            internalIP: { type: "text", required: true, format: ipAddress },
            externalIP: { type: "text", required: true, format: ipAddress },
          },
        },
      },
      ipv4Gateway: { type: "text", format: ipv4Address },
      ipv6Gateway: { type: "text", format: ipv6Address },
      profiles: { type: "list", items: { type: "text" } },
      interfaceName: { type: "text", maxLength: 15 },
      mac: { type: "text", format: macAddress },
      ports: {
        type: "list",
        items: {
          type: "object",
          fields: {
            name: { type: "text", zero: "fill" },
            protocol: { type: "numberOrText", zero: "fill", max: 255 },
            port,
            hostPort: port,
            hostIP: { type: "text", zero: "fill" },
          },
        },
      },
      allowSpoofedSourcePrefixes: { type: "list", items: { type: "text", format: cidr } },
      qosControls: qosSchema,
    },
  },
  check: checkWorkloadEndpoint,
});

/** The spec fields, after node and orchestrator, that the name of an endpoint is made of. */
function namingFields(orchestrator: string): readonly ("pod" | "containerID" | "workload" | "endpoint")[] {
  if (orchestrator === "k8s") return ["pod", "endpoint"];
  if (orchestrator === "cni") return ["containerID", "endpoint"];
  return orchestrator === "libnetwork" ? ["endpoint"] : ["workload", "endpoint"];
}

/**
 * The name that an endpoint must have: `worker--0-k8s-web--0-eth0`. Its segments are joined by "-", and every "-" inside
 * one is doubled. Undefined while a field that it is made of is missing or begins or ends with "-". Without `endpoint` it
 * is the common beginning of the names of all endpoints of the workload, with its final "-".
 */
export function workloadEndpointName(spec: WorkloadEndpointSpec): string | undefined {
  const { node, orchestrator } = spec;
  if (node === undefined || orchestrator === undefined) return undefined;
  const fixed = orchestrator === "libnetwork" ? ["libnetwork"] : [];
  const segments = [node, orchestrator, ...fixed];
  for (const field of namingFields(orchestrator)) {
    const value = spec[field];
    if (value !== undefined) segments.push(value);
    else if (field === "endpoint") segments.push("");
    else return undefined;
  }
  if (segments.some((segment) => segment.startsWith("-") || segment.endsWith("-"))) return undefined;
  return segments.map((segment) => segment.replaceAll("-", "--")).join("-");
}

function checkWorkloadEndpoint(spec: WorkloadEndpointSpec, metadata: ResourceMetadata): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const field of ["node", "orchestrator", "endpoint", ...namingFields(spec.orchestrator ?? "k8s")] as const) {
    const value = spec[field];
    if (value === undefined) {
      if (!problems.some(({ path }) => path[1] === field))
        problems.push(specProblem(field, value, "is required: the name is made of it"));
    } else if (value.startsWith("-") || value.endsWith("-"))
      problems.push(specProblem(field, value, 'must not begin or end with "-": the name is made of it'));
  }
  const name = workloadEndpointName(spec);
  if (problems.length === 0 && name !== metadata.name)
    problems.push({ path: ["metadata", "name"], value: metadata.name, reason: `must be "${name}", as the spec says` });
  for (const [index, network] of (spec.ipNetworks ?? []).entries())
    if (!/\/(?:32|128)$/.test(network) || (network.includes(":") && network.endsWith("/32")))
      problems.push(specProblem(`ipNetworks.${index}`, network, "must be a single address: /32 or /128"));
  return problems;
}
