import { defineKind } from "./kind-definition.ts";

/** What the cluster is, and whether its datastore may be used; the one object is named `default`. */
export interface ClusterInformationSpec {
  readonly clusterGUID?: string;
  readonly clusterType?: string;
  readonly calicoVersion?: string;
  readonly datastoreReady?: boolean;
  readonly variant?: string;
}

export const clusterInformationKind = defineKind<ClusterInformationSpec>({
  kind: "ClusterInformation",
  description:
    'What the cluster is, and whether its datastore may be changed. There is one object, named "default"; agents make it, ' +
    "and `calictl datastore migrate lock` and `unlock` change it.",
  plural: "clusterinformations",
  namespaced: false,
  aliases: ["clusterinformation", "clusterinfo", "clusterinfos"],
  readOnly: true,
  spec: {
    type: "object",
    fields: {
      clusterGUID: { type: "text", description: "Identifies the cluster: 32 hexadecimal digits, made at first start." },
      clusterType: {
        type: "text",
        description: "What runs in the cluster, as names with commas between them, such as k8s,bgp.",
      },
      calicoVersion: {
        type: "text",
        description:
          "The version of Calico in the cluster. calicoctl refuses to work if it is set and not its own; calibird leaves it alone.",
      },
      datastoreReady: {
        type: "boolean",
        zero: "keep",
        description:
          "false locks the datastore, for a migration: no address is given out and no route changed, while traffic goes on.",
        default: "true",
      },
      variant: { type: "text", description: "The variant of Calico in the cluster." },
    },
  },
  check: (_spec, { name }) =>
    name === "default" ? [] : [{ path: ["metadata", "name"], value: name, reason: 'must be "default"' }],
});
