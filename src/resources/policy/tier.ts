import type { FieldProblem } from "../field-problem.ts";
import { defineKind, specProblem } from "../kind-definition.ts";
import type { ResourceMetadata } from "../metadata.ts";

/** A group of policies that is asked as a whole; groups are asked by ascending order. */
export interface TierSpec {
  readonly order?: number;
  readonly defaultAction?: "Deny" | "Pass";
}

/** The tiers that every cluster has, and what they must be. */
export const builtInTiers = {
  default: { order: 1_000_000, defaultAction: "Deny" },
  "kube-admin": { order: 1_000, defaultAction: "Pass" },
  "kube-baseline": { order: 10_000_000, defaultAction: "Pass" },
} as const satisfies Readonly<Record<string, TierSpec>>;

export function isBuiltInTier(name: string): name is keyof typeof builtInTiers {
  return Object.hasOwn(builtInTiers, name);
}

export const tierKind = defineKind<TierSpec>({
  kind: "Tier",
  description:
    "A group of network policies. A packet goes through the tiers by ascending order. Every cluster has default, " +
    "kube-admin and kube-baseline.",
  plural: "tiers",
  keptForCalico: true,
  namespaced: false,
  aliases: ["tier"],
  status: "always",
  spec: {
    type: "object",
    fields: {
      order: {
        type: "number",
        zero: "keep",
        description: "Tiers with a lower order come first; of equal ones, the first by name.",
        default: "last",
      },
      defaultAction: {
        type: "text",
        values: ["Deny", "Pass"],
        description:
          "What becomes of a packet that policies of the tier are for, but no rule: refused, or to the next tier.",
        default: "Deny",
      },
    },
  },
  withDefaults: (spec) => ({ ...spec, defaultAction: spec.defaultAction ?? "Deny" }),
  check: checkTier,
});

function checkTier(spec: TierSpec, { name }: ResourceMetadata): FieldProblem[] {
  if (name.length > 63 || name.includes("."))
    return [{ path: ["metadata", "name"], value: name, reason: 'must have at most 63 characters and no "."' }];
  if (!isBuiltInTier(name)) return [];
  const { order, defaultAction } = builtInTiers[name];
  const problems: FieldProblem[] = [];
  if (spec.order !== order) problems.push(specProblem("order", spec.order, `must be ${order} for the tier ${name}`));
  if ((spec.defaultAction ?? "Deny") !== defaultAction)
    problems.push(specProblem("defaultAction", spec.defaultAction, `must be ${defaultAction} for the tier ${name}`));
  return problems;
}
