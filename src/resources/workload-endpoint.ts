import { IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import type { ResourceMetadata } from "./metadata.ts";
import { hasPorts } from "./policy/check-rules.ts";
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
    ingressBandwidth: { ...limit, description: "Mean rate, to the pod.", default: "no limit", unit: "bit/s" },
    egressBandwidth: { ...limit, description: "Mean rate, from the pod.", default: "no limit", unit: "bit/s" },
    ingressBurst: {
      ...limit,
      description: "How much may come at once beyond the rate, to the pod.",
      default: "no limit",
      unit: "bits",
    },
    egressBurst: {
      ...limit,
      description: "How much may come at once beyond the rate, from the pod.",
      default: "no limit",
      unit: "bits",
    },
    ingressPeakrate: {
      ...limit,
      description: "Highest rate of a burst, to the pod.",
      default: "no limit",
      unit: "bit/s",
    },
    egressPeakrate: {
      ...limit,
      description: "Highest rate of a burst, from the pod.",
      default: "no limit",
      unit: "bit/s",
    },
    ingressMinburst: {
      ...limit,
      description: "Least size of a burst at the highest rate, to the pod.",
      default: "no limit",
      unit: "bytes",
    },
    egressMinburst: {
      ...limit,
      description: "Least size of a burst at the highest rate, from the pod.",
      default: "no limit",
      unit: "bytes",
    },
    ingressPacketRate: { ...limit, description: "Mean rate, to the pod.", default: "no limit", unit: "packets/s" },
    egressPacketRate: { ...limit, description: "Mean rate, from the pod.", default: "no limit", unit: "packets/s" },
    ingressPacketBurst: {
      ...limit,
      description: "How many packets may come at once beyond the rate, to the pod.",
      default: "no limit",
      unit: "packets",
    },
    egressPacketBurst: {
      ...limit,
      description: "How many packets may come at once beyond the rate, from the pod.",
      default: "no limit",
      unit: "packets",
    },
    ingressMaxConnections: {
      ...limit,
      description: "Most connections at a time, to the pod.",
      default: "no limit",
      unit: "connections",
    },
    egressMaxConnections: {
      ...limit,
      description: "Most connections at a time, from the pod.",
      default: "no limit",
      unit: "connections",
    },
    dscp: {
      description: "DSCP of packets from the pod: 0 to 63, or a name such as EF.",
      default: "as the pod sets it",
      type: "numberOrText",
      zero: "keep",
      max: 63,
    },
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
      orchestrator: {
        description: "What made the pod: k8s, cni, or another name. The object's name is made of it.",
        type: "text",
      },
      workload: { description: "The workload, for orchestrators other than k8s and cni.", type: "text" },
      node: { description: "The node that the pod runs on.", type: "text" },
      containerID: { description: "The container, as the runtime names it.", type: "text" },
      pod: { description: "The pod.", type: "text" },
      endpoint: { description: "The interface in the pod.", type: "text" },
      serviceAccountName: { description: "The service account that the pod runs as.", default: "none", type: "text" },
      ipNetworks: {
        description: "The pod's addresses, as /32 and /128.",
        default: "none",
        type: "list",
        items: { type: "text", format: cidr },
      },
      ipNATs: {
        description: "Further addresses that lead to the pod.",
        default: "none",
        type: "list",
        items: {
          type: "object",
          fields: {
            internalIP: { description: "One of the pod's addresses.", type: "text", required: true, format: ipAddress },
            externalIP: {
              description: "The address that leads to it.",
              type: "text",
              required: true,
              format: ipAddress,
            },
          },
        },
      },
      ipv4Gateway: {
        description: "The pod's IPv4 gateway.",
        default: "169.254.1.1",
        type: "text",
        format: ipv4Address,
      },
      ipv6Gateway: {
        description: "The pod's IPv6 gateway.",
        default: "the node's link-local address",
        type: "text",
        format: ipv6Address,
      },
      profiles: {
        description: "Profiles whose rules and labels the endpoint has.",
        default: "none",
        type: "list",
        items: { type: "text" },
      },
      interfaceName: { description: "The node's end of the pod's link.", type: "text", maxLength: 15 },
      mac: { description: "The MAC address of the pod's end.", type: "text", format: macAddress },
      ports: {
        description: "The pod's ports, by name or as ports of the node.",
        default: "none",
        type: "list",
        items: {
          type: "object",
          fields: {
            name: { description: "The name, for use in policy.", default: "none", type: "text", zero: "fill" },
            protocol: { description: "TCP, UDP or SCTP, or its number.", type: "numberOrText", zero: "fill", max: 255 },
            port: { ...port, description: "The port." },
            hostPort: { ...port, description: "The port of the node that leads to it; 0 for none.", default: "0" },
            hostIP: {
              description: "The address of the node on which it does.",
              default: "all",
              type: "text",
              zero: "fill",
            },
          },
        },
      },
      allowSpoofedSourcePrefixes: {
        description: "Source addresses that the pod may use besides its own.",
        default: "none",
        type: "list",
        items: { type: "text", format: cidr },
      },
      qosControls: { ...qosSchema, description: "Limits of the pod's traffic.", default: "none" },
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
  problems.push(...checkAddresses(spec), ...checkPorts(spec.ports));
  return problems;
}

function checkAddresses({ ipNetworks = [], ipNATs = [] }: WorkloadEndpointSpec): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [index, network] of ipNetworks.entries())
    if (!Prefix.parse(network).isHost)
      problems.push(specProblem(`ipNetworks.${index}`, network, "must be a single address: /32 or /128"));
  const own = ipNetworks.map((network) => Prefix.parse(network));
  for (const [index, { internalIP, externalIP }] of ipNATs.entries()) {
    const address = IpAddress.parse(internalIP);
    if (!own.some((network) => network.containsAddress(address)))
      problems.push(
        specProblem(`ipNATs.${index}.internalIP`, internalIP, "must be one of the addresses in ipNetworks"),
      );
    if (address.family !== IpAddress.parse(externalIP).family)
      problems.push(
        specProblem(`ipNATs.${index}.externalIP`, externalIP, `must be of the same family as ${internalIP}`),
      );
  }
  return problems;
}

function checkPorts(ports: readonly WorkloadEndpointPort[] = []): FieldProblem[] {
  const problems: FieldProblem[] = [];
  for (const [index, { name, protocol, hostPort }] of ports.entries()) {
    if (!hasPorts(protocol))
      problems.push(specProblem(`ports.${index}.protocol`, protocol, "must be TCP, UDP or SCTP, which have ports"));
    if (name === "" && hostPort === 0)
      problems.push(specProblem(`ports.${index}.name`, name, "is required for a port without hostPort"));
  }
  return problems;
}
