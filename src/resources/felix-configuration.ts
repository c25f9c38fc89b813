import { bpfFields } from "./felix/bpf-fields.ts";
import { dataplaneFields } from "./felix/dataplane-fields.ts";
import { routingFields } from "./felix/routing-fields.ts";
import { tunnelAndReportFields } from "./felix/tunnel-and-report-fields.ts";
import { defineKind } from "./kind-definition.ts";
import type { ValueOf } from "./schema.ts";

const spec = {
  type: "object",
  fields: { ...dataplaneFields, ...tunnelAndReportFields, ...bpfFields, ...routingFields },
} as const;

/** Settings of Felix for the cluster (named `default`) or one node (named `node.<name>`). */
export type FelixConfigurationSpec = ValueOf<typeof spec>;

export const felixConfigurationKind = defineKind<FelixConfigurationSpec>({
  kind: "FelixConfiguration",
  description:
    'Settings of Felix, Calico\'s agent: for the whole cluster in the object named "default", for one node in ' +
    '"node.<node name>". Kept for the nodes that run Calico; calibird has its own configuration.',
  plural: "felixconfigurations",
  namespaced: false,
  aliases: ["felixconfiguration", "felixconfig", "felixconfigs"],
  spec,
  check: (_spec, { name }) =>
    name === "default" || /^node\../.test(name)
      ? []
      : [{ path: ["metadata", "name"], value: name, reason: 'must be "default" or "node.<node name>"' }],
});
