import { writeFile } from "node:fs/promises";
import { errorMessage } from "../../core/errors.ts";
import { version } from "../../core/version.ts";
import type { Allocation } from "../../ipam/allocations.ts";
import { checkIpam, type IpamReport } from "../../ipam/check.ts";
import type { AddressUse } from "../../ipam/cluster-facts.ts";
import { printLeakReport, type ReportOrigin } from "../../ipam/leak-report.ts";
import { type CommandContext, UsageError, writeLine } from "../output.ts";
import type { ClusterView } from "./cluster.ts";

export interface CheckOptions {
  readonly config?: string;
  readonly output?: string;
  readonly showAllIps: boolean;
  readonly showProblemIps: boolean;
}

/** Nodes that are listed by the number of their addresses. */
const TOP_NODES = 20;

/** `calictl ipam check`: prints, in calicoctl's words and order, what is stored and what of it can't be. */
export async function checkCluster(
  context: CommandContext,
  cluster: ClusterView,
  { output, showAllIps, showProblemIps }: CheckOptions,
): Promise<void> {
  const report = checkIpam(cluster.survey, cluster.facts, context.nowMs());
  const print = (text: string) => writeLine(context, text);
  const withIps = showAllIps || showProblemIps;
  print("Checking IPAM for inconsistencies...\n");
  printBlocks(print, cluster, report, showAllIps);
  printUsers(print, cluster, showAllIps);
  printNodes(print, report);
  printAddresses(print, report, withIps);
  printHandles(print, cluster, report, withIps);
  printStructures(print, report);
  print(`Check complete; found ${report.problems} problems.`);
  if (report.problems > 0) printAdvice(print, report, output);
  if (output !== undefined) await writeReport(output, printLeakReport(report, originOf(cluster)));
}

/** What a report made now would say of its origin. */
export function originOf({ cluster, clusterRevision }: ClusterView): ReportOrigin {
  return {
    version,
    clusterGuid: cluster.clusterGUID ?? "",
    clusterType: cluster.clusterType ?? "",
    clusterRevision,
    locked: cluster.datastoreReady === false,
  };
}

type Print = (text: string) => void;

function printBlocks(print: Print, { survey, facts }: ClusterView, report: IpamReport, showAll: boolean): void {
  print("Loading all IPAM blocks...");
  print(`Found ${survey.blocks.length} IPAM blocks.`);
  const byBlock = new Map<string, Allocation[]>();
  for (const { allocation } of report.allocations) {
    const key = `${allocation.block}`;
    const list = byBlock.get(key);
    if (list === undefined) byBlock.set(key, [allocation]);
    else list.push(allocation);
  }
  for (const { cidr, affinity } of survey.blocks) {
    print(` IPAM block ${cidr} affinity=${affinity ?? "<none>"}:`);
    for (const allocation of showAll ? (byBlock.get(`${cidr}`) ?? []) : [])
      print(`  ${allocation.address} allocated; attrs ${attributesText(allocation)}`);
  }
  print(`IPAM blocks record ${report.allocations.length} allocations.\n`);
  print("Loading all IPAM pools...");
  const pools = facts.pools.filter(({ disabled }) => !disabled);
  for (const { cidr } of pools) print(`  ${cidr}`);
  print(`Found ${pools.length} active IP pools.\n`);
}

function printUsers(print: Print, { facts }: ClusterView, showAll: boolean): void {
  const isTunnel = ({ user }: AddressUse) => user.includes(" tunnel of ");
  const tunnels = facts.uses.filter(isTunnel);
  const workloads = facts.uses.filter((use) => !isTunnel(use));
  print("Loading all nodes.");
  if (showAll) for (const { address, user } of tunnels) print(`  ${address} belongs to ${user}`);
  print(`Found ${tunnels.length} node tunnel IPs.\n`);
  print("Loading all workload endpoints.");
  if (showAll) for (const { address, user } of workloads) print(`  ${address} belongs to ${user}`);
  print(`Found ${workloads.length} workload IPs.`);
  print(`Workloads and nodes are using ${new Set(facts.uses.map(({ address }) => `${address}`)).size} IPs.\n`);
}

function printNodes(print: Print, report: IpamReport): void {
  print(`Looking for top (up to ${TOP_NODES}) nodes by allocations...`);
  const counts = new Map<string, number>();
  for (const { allocation } of report.allocations)
    if (allocation.node !== undefined) counts.set(allocation.node, (counts.get(allocation.node) ?? 0) + 1);
  const sorted = [...counts].sort(([, left], [, right]) => right - left);
  for (const [node, count] of sorted.slice(0, TOP_NODES)) print(`  ${node} has ${count} allocations`);
  const most = sorted[0]?.[1] ?? 0;
  const median = sorted[Math.floor(sorted.length / 2)]?.[1] ?? 0;
  print(`Node with most allocations has ${most}; median is ${median}\n`);
}

function printAddresses(print: Print, report: IpamReport, withIps: boolean): void {
  const { leaked, outsidePools, unallocated, shared } = report;
  const each = (lines: readonly string[]) => {
    if (withIps) for (const line of lines) print(`  ${line}`);
  };
  print("Scanning for IPs that are allocated but not actually in use...");
  each(leaked.map((allocation) => `${allocation.address} leaked; attrs ${attributesText(allocation)}`));
  print(`Found ${leaked.length} IPs that are allocated in IPAM but not actually in use.`);
  print("Scanning for IPs that are in use by a workload or node but not allocated in IPAM...");
  each(outsidePools.map(({ address, user }) => `${address} of ${user} is in no active IP pool`));
  print(`Found ${outsidePools.length} in-use IPs that are not in active IP pools.`);
  each(unallocated.map(({ address, user }) => `${address} of ${user} is not allocated`));
  print(
    `Found ${unallocated.length} in-use IPs that are in active IP pools but have no corresponding IPAM allocation.`,
  );
  each(shared.map(({ address, uses }) => `${address} is used by ${uses.map(({ user }) => user).join(" and ")}`));
  print(`Found ${shared.length} IPs that are in use more than once.\n`);
}

function printHandles(print: Print, { survey }: ClusterView, report: IpamReport, withIps: boolean): void {
  const { emptyHandles, miscountedHandles, missingHandles } = report;
  print("Scanning for IPAM handles with no matching IPs...");
  if (withIps) for (const { handleId } of emptyHandles) print(`  ${handleId} has no IPs`);
  const matching = survey.handles.size - emptyHandles.length;
  print(`Found ${emptyHandles.length} handles with no matching IPs (and ${matching} handles with matches).`);
  for (const { handleId, block, counted, held } of miscountedHandles)
    print(`  ${handleId} counts ${counted} IPs in ${block}, where it has ${held}`);
  print(`Found ${miscountedHandles.length} wrong counts in handles.`);
  print("Scanning for IPs with missing handle...");
  if (withIps) for (const handleId of missingHandles) print(`  ${handleId} is mentioned in a block and does not exist`);
  print(`Found ${missingHandles.length} handles mentioned in blocks with no matching handle resource.\n`);
}

function printStructures(print: Print, report: IpamReport): void {
  const { invalidBlocks, strayAffinities, blocksOfMissingNodes, unreadable } = report;
  print("Validating IPAMBlock structures...");
  for (const { block, problem } of invalidBlocks) print(`  ${block}: ${problem}`);
  print(`Found ${new Set(invalidBlocks.map(({ block }) => `${block}`)).size} invalid IPAMBlocks.`);
  for (const { node, block, state } of strayAffinities)
    print(`  ${node} has an affinity (${state}) to ${block}, which is not its own`);
  print(`Found ${strayAffinities.length} affinities to blocks of somebody else or nobody.`);
  for (const { node, block } of blocksOfMissingNodes) print(`  ${block} belongs to ${node}, which does not exist`);
  print(`Found ${blocksOfMissingNodes.length} blocks of nodes that do not exist.`);
  for (const problem of unreadable) print(`  ${problem}`);
  print(`Found ${unreadable.length} stored values that cannot be read.\n`);
}

/** What to do about what was found. */
function printAdvice(print: Print, report: IpamReport, output: string | undefined): void {
  const { leaked, emptyHandles, miscountedHandles, blocksOfMissingNodes, unallocated } = report;
  if (leaked.length + emptyHandles.length + miscountedHandles.length > 0)
    print(
      output === undefined
        ? "To release what is not in use: check again with -o FILE, then calictl ipam release --from-report FILE."
        : `To release what is not in use: calictl ipam release --from-report ${output}`,
    );
  if (unallocated.length > 0) print("To see who uses an address that is not allocated: --show-problem-ips.");
  if (blocksOfMissingNodes.length > 0)
    print(
      "Blocks of a node that has a new name: calictl ipam reassign --from OLD --to NEW. Agents collect the others.",
    );
}

/** As calicoctl prints the owner of an address. */
function attributesText({ handleId, attributes }: Allocation): string {
  const extra = Object.entries(attributes).map(([key, value]) => `${key}=${value}`);
  return `Main:${handleId ?? "<none>"} Extra:${extra.join(",")}`;
}

async function writeReport(path: string, text: string): Promise<void> {
  try {
    await writeFile(path, `${text}\n`);
  } catch (error) {
    throw new UsageError(`-o ${path}: the report can't be written there: ${errorMessage(error)}`);
  }
}
