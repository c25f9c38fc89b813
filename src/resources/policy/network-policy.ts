import type { FieldProblem } from "../field-problem.ts";
import { defineKind, specProblem } from "../kind-definition.ts";
import { namespaceName, selector } from "../text-formats.ts";
import { checkRules } from "./check-rules.ts";
import { type PolicyRule, ruleSchema } from "./rule.ts";

/** Rules for the packets of the pods of one namespace that it selects. */
export interface NetworkPolicySpec {
  readonly tier?: string;
  /** Policies of a tier are asked by ascending order; absent: last. */
  readonly order?: number;
  readonly ingress?: readonly PolicyRule[];
  readonly egress?: readonly PolicyRule[];
  readonly selector?: string;
  /** The directions that the policy is for; without a rule that fits, a packet of theirs is refused. */
  readonly types?: readonly ("Ingress" | "Egress")[];
  readonly serviceAccountSelector?: string;
  readonly performanceHints?: readonly "AssumeNeededOnEveryNode"[];
}

/** Rules for the packets of the pods and host endpoints that it selects, in all namespaces. */
export interface GlobalNetworkPolicySpec extends NetworkPolicySpec {
  readonly doNotTrack?: boolean;
  readonly preDNAT?: boolean;
  readonly applyOnForward?: boolean;
  readonly namespaceSelector?: string;
}

const endpoints = { type: "text", maxLength: 1024, format: selector, default: "all()" } as const;
const rules = { type: "list", maxItems: 1024, items: ruleSchema, default: "none" } as const;

const common = {
  tier: {
    type: "text",
    format: namespaceName,
    description: "The tier that the policy belongs to, which must exist.",
    default: "default",
  },
  order: {
    type: "number",
    zero: "keep",
    description: "Policies of a tier with a lower order come first; of equal ones, the first by name.",
    default: "last",
  },
  ingress: { ...rules, description: "Rules for packets to the endpoints; the first that fits decides." },
  egress: { ...rules, description: "Rules for packets from the endpoints; the first that fits decides." },
  selector: { ...endpoints, description: "The endpoints that the policy is for, by their labels." },
  types: {
    type: "list",
    unique: true,
    maxItems: 2,
    items: { type: "text", values: ["Ingress", "Egress"] },
    description: "The directions that the policy is for. A packet that no rule of its direction fits is refused.",
    default: "Ingress, or the directions of its rules if there are egress rules",
  },
} as const;

const serviceAccountSelector = {
  ...endpoints,
  description: "Only endpoints whose service account has such labels.",
} as const;

const performanceHints = {
  type: "list",
  unique: true,
  items: { type: "text", values: ["AssumeNeededOnEveryNode"] },
  description: "Hints that change nothing but speed: AssumeNeededOnEveryNode prepares the policy on every node.",
  default: "none",
} as const;

export const networkPolicyKind = defineKind<NetworkPolicySpec>({
  kind: "NetworkPolicy",
  description: "Which packets the pods of a namespace may send and receive.",
  plural: "networkpolicies",
  keptForCalico: true,
  namespaced: true,
  aliases: ["networkpolicy", "policy", "np", "policies", "pol", "pols"],
  namedByAnnotation: true,
  spec: { type: "object", fields: { ...common, serviceAccountSelector, performanceHints } },
  withDefaults,
  check: (spec) => [...checkRules("ingress", spec.ingress), ...checkRules("egress", spec.egress)],
});

export const globalNetworkPolicyKind = defineKind<GlobalNetworkPolicySpec>({
  kind: "GlobalNetworkPolicy",
  description: "Which packets pods of all namespaces, and nodes with host endpoints, may send and receive.",
  plural: "globalnetworkpolicies",
  keptForCalico: true,
  namespaced: false,
  aliases: ["globalnetworkpolicy", "gnp", "gnps"],
  namedByAnnotation: true,
  spec: {
    type: "object",
    fields: {
      ...common,
      doNotTrack: {
        type: "boolean",
        description: "The rules come before the kernel's connection tracking, and what they allow isn't tracked.",
        default: "false",
      },
      preDNAT: { type: "boolean", description: "The rules come before destination NAT.", default: "false" },
      applyOnForward: {
        type: "boolean",
        description: "The rules are for packets that a node forwards, too. doNotTrack and preDNAT need it.",
        default: "false",
      },
      serviceAccountSelector,
      namespaceSelector: { ...endpoints, description: "Only endpoints of namespaces with such labels." },
      performanceHints,
    },
  },
  withDefaults,
  check: (spec) => [
    ...checkRules("ingress", spec.ingress, true),
    ...checkRules("egress", spec.egress, true),
    ...checkStages(spec),
  ],
});

/** Calico stores the tier, and the directions that follow from the rules. */
function withDefaults<Spec extends NetworkPolicySpec>(spec: Spec): Spec {
  const { tier = "default", types = directionsOf(spec) } = spec;
  return { ...spec, tier, types };
}

function directionsOf({ ingress = [], egress = [] }: NetworkPolicySpec): NonNullable<NetworkPolicySpec["types"]> {
  if (egress.length === 0) return ["Ingress"];
  return ingress.length === 0 ? ["Egress"] : ["Ingress", "Egress"];
}

function checkStages(spec: GlobalNetworkPolicySpec): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const { doNotTrack = false, preDNAT = false, applyOnForward = false, egress = [], types = [] } = spec;
  if (preDNAT && doNotTrack) problems.push(specProblem("preDNAT", true, "must be false, because doNotTrack is true"));
  if (preDNAT && egress.length > 0)
    problems.push(specProblem("egress", `${egress.length} rules`, "must be absent with preDNAT"));
  if (preDNAT && types.includes("Egress")) problems.push(specProblem("types", types, "must be [Ingress] with preDNAT"));
  if ((preDNAT || doNotTrack) && !applyOnForward)
    problems.push(specProblem("applyOnForward", false, `must be true with ${preDNAT ? "preDNAT" : "doNotTrack"}`));
  return problems;
}
