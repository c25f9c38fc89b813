import { defineKind } from "../kind-definition.ts";
import { labelKey, labelValue } from "../text-formats.ts";
import { checkRules } from "./check-rules.ts";
import { type PolicyRule, ruleSchema } from "./rule.ts";

/** Rules and labels for the endpoints that name the profile; namespaces and service accounts have one each. */
export interface ProfileSpec {
  readonly ingress?: readonly PolicyRule[];
  readonly egress?: readonly PolicyRule[];
  readonly labelsToApply?: Readonly<Record<string, string>>;
}

/** Allows everything. Calico behaves as if it were stored, but it never is. */
export const DEFAULT_ALLOW_PROFILE = "projectcalico-default-allow";

export const profileKind = defineKind<ProfileSpec>({
  kind: "Profile",
  description:
    "Rules and labels for the endpoints that name the profile in their spec. Calico keeps one for each namespace " +
    "(kns.NAME) and each service account (ksa.NAMESPACE.NAME). Rules of profiles count where no policy is for a packet.",
  plural: "profiles",
  keptForCalico: true,
  namespaced: false,
  aliases: ["profile", "pro", "pros"],
  spec: {
    type: "object",
    fields: {
      ingress: { type: "list", items: ruleSchema, description: "Rules for packets to the endpoints.", default: "none" },
      egress: {
        type: "list",
        items: ruleSchema,
        description: "Rules for packets from the endpoints.",
        default: "none",
      },
      labelsToApply: {
        type: "map",
        keyFormat: labelKey,
        valueFormat: labelValue,
        description: "Labels that the endpoints have in addition to their own.",
        default: "none",
      },
    },
  },
  check: (spec) => [...checkRules("ingress", spec.ingress), ...checkRules("egress", spec.egress)],
});
