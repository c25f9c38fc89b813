import { defineKind } from "./kind-definition.ts";
import { resourceName } from "./text-formats.ts";

/** A wish to see in the datastore what a node's routing is doing; Calico's agent there fills the status. */
export interface CalicoNodeStatusSpec {
  readonly node: string;
  readonly classes?: readonly ("Agent" | "BGP" | "Routes")[];
  readonly updatePeriodSeconds?: number;
}

export const calicoNodeStatusKind = defineKind<CalicoNodeStatusSpec>({
  kind: "CalicoNodeStatus",
  description:
    "Asks the agent of a node to write into the status of this object what its BGP sessions and routes are like. A " +
    "calibird node shows the same with `calictl node status` and `calictl routes`.",
  plural: "caliconodestatuses",
  keptForCalico: true,
  namespaced: false,
  aliases: ["caliconodestatus", "nodestatus", "nodestatuses"],
  status: "always",
  spec: {
    type: "object",
    fields: {
      node: { type: "text", required: true, format: resourceName, description: "The node." },
      classes: {
        type: "list",
        required: true,
        unique: true,
        minItems: 1,
        maxItems: 3,
        items: { type: "text", values: ["Agent", "BGP", "Routes"] },
        description: "What to write: the state of the daemons, of the sessions, of the routes.",
      },
      updatePeriodSeconds: {
        type: "integer",
        required: true,
        zero: "keep",
        min: 0,
        max: 86400,
        unit: "seconds",
        description: "How often to write it; 0 for never.",
      },
    },
  },
  check: () => [],
});
