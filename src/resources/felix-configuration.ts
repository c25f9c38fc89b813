import { bpfFields } from "./felix/bpf-fields.ts";
import { dataplaneFields } from "./felix/dataplane-fields.ts";
import { routingFields } from "./felix/routing-fields.ts";
import { tunnelAndReportFields } from "./felix/tunnel-and-report-fields.ts";
import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import type { ResourceMetadata } from "./metadata.ts";
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
    '"node.<node name>".',
  plural: "felixconfigurations",
  keptForCalico: true,
  namespaced: false,
  aliases: ["felixconfiguration", "felixconfig", "felixconfigs"],
  spec,
  check: checkFelixConfiguration,
});

const MAX_TABLES = 0xffff;
const LAST_TABLE_OF_RANGE = 250;

function checkFelixConfiguration(spec: FelixConfigurationSpec, { name }: ResourceMetadata): FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (name !== "default" && !/^node\../.test(name))
    problems.push({ path: ["metadata", "name"], value: name, reason: 'must be "default" or "node.<node name>"' });
  for (const [index, prefix] of (spec.externalNodesList ?? []).entries())
    if (prefix.includes(":")) problems.push(specProblem(`externalNodesList.${index}`, prefix, "must be IPv4"));
  const { routeTableRange: range, routeTableRanges: ranges = [] } = spec;
  if (range !== undefined && spec.routeTableRanges !== undefined)
    problems.push(specProblem("routeTableRange", range, "must not be set together with routeTableRanges"));
  if (range !== undefined && (sizeOf(range) < 1 || (range.max ?? 0) > LAST_TABLE_OF_RANGE))
    problems.push(
      specProblem("routeTableRange", range, `must go up from min to max, within 1 to ${LAST_TABLE_OF_RANGE}`),
    );
  for (const [index, each] of ranges.entries())
    if (sizeOf(each) < 1) problems.push(specProblem(`routeTableRanges.${index}`, each, "must go up from min to max"));
  const tables = ranges.reduce((sum, each) => sum + sizeOf(each), 0);
  if (tables > MAX_TABLES)
    problems.push(specProblem("routeTableRanges", `${tables} tables`, `must be at most ${MAX_TABLES} together`));
  return problems;
}

function sizeOf({ min = 0, max = 0 }: { readonly min?: number; readonly max?: number }): number {
  return max - min + 1;
}
