import type { FieldProblem } from "../field-problem.ts";
import { defineKind, specProblem } from "../kind-definition.ts";
import { interfaceName, ipAddress, portName, protocolName, resourceName } from "../text-formats.ts";
import { hasPorts } from "./check-rules.ts";

/** A device of a node, or all of them, as something that policy is for. */
export interface HostEndpointSpec {
  readonly node?: string;
  /** `*`: all devices. */
  readonly interfaceName?: string;
  readonly expectedIPs?: readonly string[];
  readonly profiles?: readonly string[];
  readonly ports?: readonly EndpointPort[];
}

export interface EndpointPort {
  readonly name: string;
  readonly protocol: number | string;
  readonly port: number;
}

export const hostEndpointKind = defineKind<HostEndpointSpec>({
  kind: "HostEndpoint",
  description: "A device of a node, or all of them, that policy is for.",
  plural: "hostendpoints",
  keptForCalico: true,
  namespaced: false,
  aliases: ["hostendpoint", "hep", "heps"],
  spec: {
    type: "object",
    fields: {
      node: { type: "text", required: true, format: resourceName, description: "The node." },
      interfaceName: {
        type: "text",
        format: interfaceName,
        description: "The device; * for all of the node.",
        default: "the one that has an address of expectedIPs",
      },
      expectedIPs: {
        type: "list",
        unique: true,
        items: { type: "text", format: ipAddress },
        description: "Addresses of the device. Rules that select the endpoint match these.",
        default: "none; then interfaceName is required",
      },
      profiles: {
        type: "list",
        unique: true,
        items: { type: "text", format: resourceName },
        description: "Names of the profiles whose rules and labels the endpoint has.",
        default: "none",
      },
      ports: {
        type: "list",
        description: "Names for ports of the node, for use in rules.",
        default: "none",
        items: {
          type: "object",
          fields: {
            name: { type: "text", required: true, format: portName, description: "The name." },
            protocol: {
              type: "numberOrText",
              required: true,
              min: 1,
              max: 255,
              format: protocolName,
              description: "TCP, UDP or SCTP, or its number.",
            },
            port: { type: "integer", required: true, min: 1, max: 65535, description: "The port." },
          },
        },
      },
    },
  },
  check: checkHostEndpoint,
});

function checkHostEndpoint(spec: HostEndpointSpec): FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (spec.interfaceName === undefined && spec.expectedIPs === undefined)
    problems.push(specProblem("interfaceName", undefined, "is required without expectedIPs"));
  for (const [index, { protocol }] of (spec.ports ?? []).entries())
    if (!hasPorts(protocol))
      problems.push(specProblem(`ports.${index}.protocol`, protocol, "must be TCP, UDP or SCTP, which have ports"));
  return problems;
}
