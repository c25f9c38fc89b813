import { Prefix } from "../net/prefix.ts";
import type { FieldProblem } from "./field-problem.ts";
import { defineKind, specProblem } from "./kind-definition.ts";
import type { ResourceMetadata } from "./metadata.ts";
import { compileSelector, type Selector } from "./selector.ts";
import { cidr, selector } from "./text-formats.ts";

export type EncapsulationMode = "Never" | "Always" | "CrossSubnet";
export type PoolUse = "Workload" | "Tunnel" | "LoadBalancer";

/** A range of addresses for pods, and how traffic to it travels between nodes. */
export interface IpPoolSpec {
  /** Immutable, without host bits. */
  readonly cidr: string;
  readonly vxlanMode?: EncapsulationMode;
  readonly ipipMode?: EncapsulationMode;
  readonly natOutgoing?: boolean;
  /** No new allocations; existing addresses keep working. */
  readonly disabled?: boolean;
  readonly disableBGPExport?: boolean;
  /** Prefix length of the blocks that nodes claim; immutable. */
  readonly blockSize?: number;
  readonly nodeSelector?: string;
  readonly namespaceSelector?: string;
  readonly allowedUses?: readonly PoolUse[];
  readonly assignmentMode?: "Automatic" | "Manual";
}

/** A pool's spec with every default in place. */
export interface EffectivePool {
  readonly cidr: Prefix;
  readonly blockSize: number;
  readonly ipipMode: EncapsulationMode;
  readonly vxlanMode: EncapsulationMode;
  /** By the annotation `udpModeAnnotation`; Never wherever one of the two others is not. */
  readonly udpMode: EncapsulationMode;
  readonly natOutgoing: boolean;
  readonly disabled: boolean;
  readonly disableBgpExport: boolean;
  readonly allowedUses: readonly PoolUse[];
  readonly assignmentMode: "Automatic" | "Manual";
  /** True for nodes that may take blocks from this pool, by their labels. */
  readonly selectsNode: Selector;
  /** True for namespaces whose pods may take addresses from this pool, by their labels. */
  readonly selectsNamespace: Selector;
}

/**
 * How packets to the pool's blocks are carried in UDP. Calico's pools have no such field, so that it has to be an annotation:
 * for Calico's own programs the pool has no encapsulation.
 */
export const udpModeAnnotation = "calibird.io/udp-encap-mode";

const modes: readonly EncapsulationMode[] = ["Never", "Always", "CrossSubnet"];
const forbiddenRanges = [
  { range: Prefix.parse("169.254.0.0/16"), what: "IPv4 link-local" },
  { range: Prefix.parse("fe80::/10"), what: "IPv6 link-local" },
];

export const ipPoolKind = defineKind<IpPoolSpec>({
  kind: "IPPool",
  description:
    "A range of addresses for pods, which nodes take blocks of, and how traffic to it travels between nodes.",
  plural: "ippools",
  namespaced: false,
  aliases: ["ippool", "ipp", "ipps", "pool", "pools"],
  status: "optional",
  spec: {
    type: "object",
    fields: {
      cidr: {
        description: "The range, without host bits. It must not overlap another pool and can never be changed.",
        type: "text",
        required: true,
        format: cidr,
      },
      vxlanMode: {
        description: "Whether packets to other nodes are carried in VXLAN: never, always, or between subnets only.",
        default: "Never",
        type: "text",
        values: modes,
      },
      ipipMode: {
        description:
          "Whether packets to other nodes are carried in IP-in-IP: never, always, or between subnets only. IPv4 only, and not together with vxlanMode.",
        default: "Never",
        type: "text",
        values: modes,
      },
      natOutgoing: {
        description: "Whether packets that leave the pools get the address of their node as source.",
        default: "false",
        type: "boolean",
      },
      disabled: {
        description: "true: no address is given out any more. Those in use keep working.",
        default: "false",
        type: "boolean",
      },
      disableBGPExport: {
        description: "true: routes to the pool are not told to BGP peers.",
        default: "false",
        type: "boolean",
      },
      blockSize: {
        description:
          "Prefix length of the blocks that nodes take; 20 to 32 for IPv4, 116 to 128 for IPv6. It can never be changed.",
        default: "26 for IPv4, 122 for IPv6",
        unit: "bits",
        type: "integer",
        min: 0,
        max: 128,
      },
      nodeSelector: {
        description: "The nodes that may take blocks, by their labels.",
        default: "all()",
        type: "text",
        maxLength: 1024,
        format: selector,
      },
      namespaceSelector: {
        description: "The namespaces whose pods may take addresses, by their labels. Not together with the use Tunnel.",
        default: "all namespaces",
        type: "text",
        maxLength: 1024,
        format: selector,
      },
      allowedUses: {
        description:
          "What the addresses are for: pods, tunnel devices, or services of type LoadBalancer (which stands alone).",
        default: "[Workload, Tunnel]",
        type: "list",
        items: { type: "text", values: ["Workload", "Tunnel", "LoadBalancer"] },
      },
      assignmentMode: {
        description: "Manual: only pods that ask for this pool get its addresses.",
        default: "Automatic",
        type: "text",
        values: ["Automatic", "Manual"],
      },
    },
  },
  check: checkPool,
  withDefaults(spec) {
    const { blockSize, ipipMode, vxlanMode, allowedUses, assignmentMode } = effectivePool(spec);
    const { nodeSelector = "all()" } = spec;
    return { ...spec, blockSize, ipipMode, vxlanMode, nodeSelector, allowedUses, assignmentMode };
  },
});

/** Fills in the defaults of a valid spec. Without `metadata` the pool counts as one that does not use UDP. */
export function effectivePool(spec: IpPoolSpec, metadata?: Pick<ResourceMetadata, "annotations">): EffectivePool {
  const range = Prefix.parse(spec.cidr);
  const { ipipMode = "Never", vxlanMode = "Never" } = spec;
  const annotated = modes.find((mode) => mode === metadata?.annotations?.[udpModeAnnotation]) ?? "Never";
  const mayUseUdp = range.family === 4 && ipipMode === "Never" && vxlanMode === "Never";
  return {
    cidr: range,
    blockSize: spec.blockSize ?? (range.family === 4 ? 26 : 122),
    ipipMode,
    vxlanMode,
    udpMode: mayUseUdp ? annotated : "Never",
    natOutgoing: spec.natOutgoing ?? false,
    disabled: spec.disabled ?? false,
    disableBgpExport: spec.disableBGPExport ?? false,
    allowedUses: spec.allowedUses?.length ? spec.allowedUses : ["Workload", "Tunnel"],
    assignmentMode: spec.assignmentMode ?? "Automatic",
    selectsNode: compileSelector(spec.nodeSelector ?? ""),
    selectsNamespace: compileSelector(spec.namespaceSelector ?? ""),
  };
}

function checkPool(spec: IpPoolSpec, metadata: ResourceMetadata): FieldProblem[] {
  const pool = effectivePool(spec);
  const problems: FieldProblem[] = [];
  const report = (field: keyof IpPoolSpec, value: unknown, reason: string) =>
    problems.push(specProblem(field, value, reason));
  for (const { range, what } of forbiddenRanges)
    if (pool.cidr.overlaps(range)) report("cidr", spec.cidr, `must not overlap the ${what} range ${range}`);

  const [smallest, largest] = pool.cidr.family === 4 ? [20, 32] : [116, 128];
  if (pool.blockSize < smallest || pool.blockSize > largest)
    report("blockSize", pool.blockSize, `must be from ${smallest} to ${largest} for an IPv${pool.cidr.family} pool`);
  else if (pool.cidr.length > pool.blockSize && !pool.disabled)
    report(
      "cidr",
      spec.cidr,
      `must hold at least one block: a prefix length of at most the block size ${pool.blockSize}`,
    );

  if (pool.ipipMode !== "Never" && pool.cidr.family === 6)
    report("ipipMode", pool.ipipMode, "must be Never for an IPv6 pool; VXLAN works for both");
  if (pool.ipipMode !== "Never" && pool.vxlanMode !== "Never")
    report("vxlanMode", pool.vxlanMode, `must be Never, because ipipMode is ${pool.ipipMode}`);
  problems.push(...checkUdpMode(pool, metadata));
  if (spec.namespaceSelector !== undefined && pool.allowedUses.includes("Tunnel"))
    report(
      "namespaceSelector",
      spec.namespaceSelector,
      "needs allowedUses without Tunnel, for example [Workload]; the default is [Workload, Tunnel]",
    );
  if (pool.allowedUses.includes("LoadBalancer")) problems.push(...checkLoadBalancerPool(spec, pool));
  return problems;
}

function checkUdpMode(pool: EffectivePool, { annotations = {} }: ResourceMetadata): FieldProblem[] {
  const value = annotations[udpModeAnnotation];
  const report = (reason: string): FieldProblem[] => [
    { path: ["metadata", "annotations", udpModeAnnotation], value, reason },
  ];
  if (value === undefined || value === "Never") return [];
  if (!modes.some((mode) => mode === value)) return report(`must be one of ${modes.join(", ")}`);
  if (pool.cidr.family === 6) return report("must be absent for an IPv6 pool; VXLAN works for both");
  for (const field of ["ipipMode", "vxlanMode"] as const)
    if (pool[field] !== "Never") return report(`must be absent, because ${field} is ${pool[field]}`);
  if (pool.allowedUses.includes("LoadBalancer")) return report("must be absent for a LoadBalancer pool");
  return [];
}

function checkLoadBalancerPool(spec: IpPoolSpec, pool: EffectivePool): FieldProblem[] {
  const problems: FieldProblem[] = [];
  if (pool.allowedUses.length > 1)
    problems.push(specProblem("allowedUses", pool.allowedUses, "LoadBalancer must stand alone"));
  for (const field of ["ipipMode", "vxlanMode"] as const)
    if (pool[field] !== "Never")
      problems.push(specProblem(field, pool[field], "must be Never for a LoadBalancer pool"));
  if (spec.nodeSelector !== undefined && spec.nodeSelector !== "all()")
    problems.push(specProblem("nodeSelector", spec.nodeSelector, "must be all() for a LoadBalancer pool"));
  if (pool.disableBgpExport)
    problems.push(specProblem("disableBGPExport", true, "must be false for a LoadBalancer pool"));
  return problems;
}

/** What a change of an existing pool breaks: its range, its block size, and its use for load balancers stay for ever. */
export function checkPoolChange(before: IpPoolSpec, after: IpPoolSpec): FieldProblem[] {
  const [old, next] = [effectivePool(before), effectivePool(after)];
  const problems: FieldProblem[] = [];
  if (!old.cidr.equals(next.cidr))
    problems.push(specProblem("cidr", after.cidr, `can't be changed from ${old.cidr}; create another pool`));
  if (old.blockSize !== next.blockSize)
    problems.push(
      specProblem("blockSize", next.blockSize, `can't be changed from ${old.blockSize}; create another pool`),
    );
  if (old.allowedUses.includes("LoadBalancer") !== next.allowedUses.includes("LoadBalancer"))
    problems.push(specProblem("allowedUses", next.allowedUses, "LoadBalancer can be neither added nor removed later"));
  return problems;
}
