import type { FieldProblem } from "../field-problem.ts";
import { defineKind } from "../kind-definition.ts";
import type { ResourceMetadata } from "../metadata.ts";
import type { ObjectSchema } from "../schema.ts";
import { addressOrCidr } from "../text-formats.ts";

/** Prefixes outside the cluster that policy rules select by the labels of the set. */
export interface NetworkSetSpec {
  readonly nets?: readonly string[];
}

const spec: ObjectSchema<NetworkSetSpec> = {
  type: "object",
  fields: {
    nets: {
      type: "list",
      items: { type: "text", format: addressOrCidr },
      description: "Prefixes and single addresses, IPv4 or IPv6.",
      default: "none",
    },
  },
};

const NAMESPACE_LABEL = "projectcalico.org/namespace";

function check(_spec: NetworkSetSpec, { labels = {} }: ResourceMetadata): FieldProblem[] {
  if (labels[NAMESPACE_LABEL] === undefined) return [];
  const reason = "must be absent: Calico sets this label itself";
  return [{ path: ["metadata", "labels", NAMESPACE_LABEL], value: labels[NAMESPACE_LABEL], reason }];
}

export const networkSetKind = defineKind<NetworkSetSpec>({
  kind: "NetworkSet",
  description: "Prefixes that the policy rules of a namespace select by the labels of the set, as they select pods.",
  plural: "networksets",
  keptForCalico: true,
  namespaced: true,
  aliases: ["networkset", "netset", "netsets"],
  spec,
  check,
});

export const globalNetworkSetKind = defineKind<NetworkSetSpec>({
  kind: "GlobalNetworkSet",
  description: "Prefixes that policy rules of the whole cluster select by the labels of the set, as they select pods.",
  plural: "globalnetworksets",
  keptForCalico: true,
  namespaced: false,
  aliases: ["globalnetworkset", "gnetset", "gnetsets"],
  spec,
  check,
});
