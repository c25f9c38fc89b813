import { Prefix } from "../net/prefix.ts";
import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import type { ObjectSchema } from "./schema.ts";
import { cidr, community, interfacePattern } from "./text-formats.ts";

/** Rules for the routes of the peers that name this filter, per direction and family. */
export interface BgpFilterSpec {
  readonly exportV4?: readonly BgpFilterRule[];
  readonly importV4?: readonly BgpFilterRule[];
  readonly exportV6?: readonly BgpFilterRule[];
  readonly importV6?: readonly BgpFilterRule[];
}

/** Matches if all that is given matches. The first rule that matches decides; if none does, the peer's default holds. */
export interface BgpFilterRule {
  readonly cidr?: string;
  readonly matchOperator?: "Equal" | "NotEqual" | "In" | "NotIn";
  readonly prefixLength?: { readonly min?: number; readonly max?: number };
  readonly source?: "RemotePeers";
  readonly interface?: string;
  readonly peerType?: "eBGP" | "iBGP";
  readonly communities?: { readonly values: readonly string[] };
  /** AS numbers at the head of the path. */
  readonly asPathPrefix?: readonly number[];
  /** Matches the metric of the kernel route. */
  readonly priority?: number;
  readonly action: "Accept" | "Reject";
  readonly operations?: readonly BgpFilterOperation[];
}

/** Exactly one of the fields. */
export interface BgpFilterOperation {
  readonly addCommunity?: { readonly value: string };
  readonly prependASPath?: { readonly prefix: readonly number[] };
  readonly setPriority?: { readonly value: number };
}

const lists = ["exportV4", "importV4", "exportV6", "importV6"] as const;
const MAX_OPERATIONS = 10;
const MAX_PREPENDED = 10;
const priority = { min: 1, max: 2147483646 } as const;

const operationSchema: ObjectSchema<BgpFilterOperation> = {
  type: "object",
  fields: {
    addCommunity: {
      description: "Adds a community.",
      type: "object",
      fields: {
        value: {
          description: "64512:100 (16 bits each) or 64512:1:100 (32 bits each).",
          type: "text",
          required: true,
          format: community,
        },
      },
    },
    prependASPath: {
      description: "Puts AS numbers before the path.",
      type: "object",
      fields: {
        prefix: {
          description: "The AS numbers, at most 10; the first comes first.",
          type: "list",
          required: true,
          items: { type: "asNumber" },
        },
      },
    },
    setPriority: {
      description: "Sets the metric of the route in the kernel.",
      type: "object",
      fields: {
        value: { description: "1 to 2147483646; the lower, the better.", type: "integer", required: true, ...priority },
      },
    },
  },
};

const ruleSchema: ObjectSchema<BgpFilterRule> = {
  type: "object",
  fields: {
    cidr: {
      description: "The route is to a prefix that matchOperator compares with this one.",
      default: "any",
      type: "text",
      format: cidr,
    },
    matchOperator: {
      description: "Equal: the same prefix. In: the same or one inside it. NotEqual and NotIn: not so. Needs cidr.",
      type: "text",
      values: ["Equal", "NotEqual", "In", "NotIn"],
    },
    prefixLength: {
      description: "With In and NotIn: lengths of the route's prefix. Needs cidr.",
      type: "object",
      fields: {
        min: {
          description: "The least length.",
          default: "that of cidr",
          unit: "bits",
          type: "integer",
          zero: "keep",
          min: 0,
          max: 128,
        },
        max: {
          description: "The greatest length.",
          default: "32 or 128",
          unit: "bits",
          type: "integer",
          zero: "keep",
          min: 0,
          max: 128,
        },
      },
    },
    source: {
      description: "RemotePeers: the route was learned from a BGP peer.",
      default: "any",
      type: "text",
      values: ["RemotePeers"],
    },
    interface: {
      description: "The route leads to a device of this name; * stands for any characters.",
      default: "any",
      type: "text",
      format: interfacePattern,
    },
    peerType: {
      description: "The route goes to, or comes from, a peer of another AS (eBGP) or of our own (iBGP).",
      default: "both",
      type: "text",
      values: ["eBGP", "iBGP"],
    },
    communities: {
      description: "The route has this community.",
      default: "any",
      type: "object",
      fields: {
        values: {
          description: "Exactly one: 64512:100 or 64512:1:100.",
          type: "list",
          required: true,
          items: { type: "text", format: community },
        },
      },
    },
    asPathPrefix: {
      description: "The AS path begins with these AS numbers.",
      default: "any",
      type: "list",
      items: { type: "asNumber" },
    },
    priority: { description: "The route has this metric in the kernel.", default: "any", type: "integer", ...priority },
    action: { description: "What becomes of the route.", type: "text", required: true, values: ["Accept", "Reject"] },
    operations: {
      description: "What is changed about a route that is accepted, one after the other; at most 10.",
      default: "nothing",
      type: "list",
      items: operationSchema,
    },
  },
};

const rules = { type: "list", items: ruleSchema, default: "none; what the peering allows without a filter" } as const;

export const bgpFilterKind = defineKind<BgpFilterSpec>({
  kind: "BGPFilter",
  description:
    "Rules that accept, refuse or change the routes of the BGPPeers that name this filter, per direction and address family.",
  plural: "bgpfilters",
  namespaced: false,
  aliases: ["bgpfilter", "bgpf", "bgpfs", "bf", "bfs"],
  spec: {
    type: "object",
    fields: {
      exportV4: { ...rules, description: "Rules for IPv4 routes to the peer; the first that fits decides." },
      importV4: { ...rules, description: "Rules for IPv4 routes from the peer; the first that fits decides." },
      exportV6: { ...rules, description: "Rules for IPv6 routes to the peer; the first that fits decides." },
      importV6: { ...rules, description: "Rules for IPv6 routes from the peer; the first that fits decides." },
    },
  },
  check: (spec) =>
    lists.flatMap((list) =>
      (spec[list] ?? []).flatMap((rule, index) => checkRule(rule, `${list}.${index}`, list.endsWith("V4") ? 4 : 6)),
    ),
});

function checkRule(rule: BgpFilterRule, at: string, family: 4 | 6): FieldProblem[] {
  const problems: FieldProblem[] = [];
  const report = (field: string, value: unknown, reason: string) =>
    problems.push(specProblem(`${at}.${field}`, value, reason));
  const { prefixLength, operations = [] } = rule;
  if (rule.cidr !== undefined && Prefix.parse(rule.cidr).family !== family)
    report("cidr", rule.cidr, `must be an IPv${family} prefix here`);
  if (rule.cidr !== undefined && rule.matchOperator === undefined)
    report("matchOperator", undefined, "is required with cidr");
  if (rule.cidr === undefined && rule.matchOperator !== undefined)
    report("cidr", undefined, "is required with matchOperator");
  if (prefixLength !== undefined) {
    const bits = family === 4 ? 32 : 128;
    if (rule.cidr === undefined) report("cidr", undefined, "is required with prefixLength");
    for (const bound of ["min", "max"] as const)
      if ((prefixLength[bound] ?? 0) > bits)
        report(`prefixLength.${bound}`, prefixLength[bound], `must be from 0 to ${bits} for IPv${family}`);
    if ((prefixLength.min ?? 0) > (prefixLength.max ?? bits))
      report("prefixLength.min", prefixLength.min, `must be at most max, which is ${prefixLength.max ?? bits}`);
  }
  if (rule.communities !== undefined && rule.communities.values.length !== 1)
    report("communities.values", rule.communities.values, "must have exactly one value");
  if (operations.length > 0 && rule.action !== "Accept") report("operations", operations, "needs the action Accept");
  if (operations.length > MAX_OPERATIONS)
    report("operations", `${operations.length} operations`, `must be at most ${MAX_OPERATIONS}`);
  for (const [index, operation] of operations.entries()) {
    const count = Object.keys(operation).length;
    if (count !== 1)
      report(`operations.${index}`, operation, "must have exactly one of addCommunity, prependASPath, setPriority");
    if ((operation.prependASPath?.prefix.length ?? 0) > MAX_PREPENDED)
      report(
        `operations.${index}.prependASPath.prefix`,
        operation.prependASPath?.prefix,
        `must have at most ${MAX_PREPENDED} AS numbers`,
      );
  }
  return problems;
}
