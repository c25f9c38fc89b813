import type { Allocation } from "../../ipam/allocations.ts";
import { allocationsOf } from "../../ipam/allocations.ts";
import { nodeOf } from "../../ipam/block-choice.ts";
import { type Utilization, utilizationOf } from "../../ipam/utilization.ts";
import { IpAddress } from "../../net/address.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "../output.ts";
import { formatBoxTable } from "./box-table.ts";
import type { ClusterView } from "./cluster.ts";
import { drawBlocks } from "./map.ts";
import { formatCount, formatShare } from "./numbers.ts";

export interface ShowOptions {
  readonly config?: string;
  readonly ip?: string;
  readonly showBlocks: boolean;
  readonly showBorrowed: boolean;
  readonly showConfiguration: boolean;
  readonly map: boolean;
}

/** `calictl ipam show …`: one look at IPAM, the one that the options name. */
export async function showIpam(
  context: CommandContext,
  cluster: ClusterView,
  options: ShowOptions,
  format: OutputFormat,
): Promise<void> {
  if (options.ip !== undefined) return showAddress(context, cluster, parseAddress(options.ip), format);
  if (options.showBorrowed) return showBorrowed(context, cluster, format);
  if (options.showConfiguration) return showConfiguration(context, cluster, format);
  if (options.map) return writeLine(context, drawBlocks(cluster, context.colour));
  return showPools(context, cluster, options.showBlocks, format);
}

/** An address on the command line. */
export function parseAddress(text: string): IpAddress {
  const address = IpAddress.tryParse(text);
  if (address === undefined) throw new UsageError(`--ip ${text}: must be an IP address like 10.244.7.66 or fd00::1`);
  return address;
}

async function showPools(
  context: CommandContext,
  { survey, facts, reserved }: ClusterView,
  withBlocks: boolean,
  format: OutputFormat,
): Promise<void> {
  const { pools, orphans } = utilizationOf(survey.blocks, facts.pools, reserved);
  if (format === "json" || format === "yaml") {
    const plain = JSON.parse(JSON.stringify({ pools, blocksOutsidePools: orphans })) as unknown;
    return writeStructured(context, plain, format);
  }
  const rows: { readonly grouping: string; readonly use: Utilization }[] = [];
  for (const pool of pools) {
    rows.push({ grouping: "IP Pool", use: pool });
    if (withBlocks) rows.push(...pool.blocks.map((use) => ({ grouping: "Block", use })));
  }
  if (withBlocks) rows.push(...orphans.map((use) => ({ grouping: "Block", use })));
  const columns = [
    { title: "GROUPING", value: ({ grouping }: (typeof rows)[number]) => grouping },
    { title: "CIDR", value: ({ use }: (typeof rows)[number]) => use.cidr.toString() },
    number("IPS TOTAL", ({ capacity }) => formatCount(capacity)),
    number("IPS IN USE", ({ inUse, capacity }) => formatShare(inUse, capacity)),
    number("IPS RESERVED", ({ reserved: count, capacity }) => formatShare(count, capacity)),
    number("IPS FREE", ({ available, capacity }) => formatShare(available, capacity)),
  ];
  writeLine(context, formatBoxTable(columns, rows));
}

function number(title: string, text: (use: Utilization) => string) {
  return { title, align: "right" as const, value: ({ use }: { readonly use: Utilization }) => text(use) };
}

async function showAddress(
  context: CommandContext,
  { administration }: ClusterView,
  address: IpAddress,
  format: OutputFormat,
): Promise<void> {
  const found = await administration.describeAddress(address);
  if (format === "json" || format === "yaml")
    return writeStructured(context, found === undefined ? { ip: `${address}`, inUse: false } : viewOf(found), format);
  if (found === undefined) return writeLine(context, `${address} is not assigned`);
  if (found.coolingDown)
    return writeLine(context, `${address} is in cooldown: it was released and is not assigned for a while`);
  writeLine(context, `IP ${address} is in use`);
  writeLine(context, `Handle ID: ${found.handleId ?? "<none>"}`);
  const attributes = Object.entries(found.attributes).sort(([left], [right]) => (left < right ? -1 : 1));
  if (attributes.length === 0) return writeLine(context, "No Active Owner attributes defined");
  writeLine(context, "Active Owner Attributes:");
  for (const [key, value] of attributes) writeLine(context, `  ${key}: ${value}`);
}

function viewOf({ address, block, handleId, attributes, coolingDown, isBorrowed }: Allocation) {
  return {
    ip: `${address}`,
    inUse: !coolingDown,
    coolingDown,
    borrowed: isBorrowed,
    block: `${block}`,
    ...(handleId !== undefined && { handle: handleId }),
    attributes,
  };
}

async function showBorrowed(context: CommandContext, { survey }: ClusterView, format: OutputFormat): Promise<void> {
  const borrowed: (Allocation & { readonly owner: string })[] = [];
  let unknown = 0;
  for (const block of survey.blocks)
    for (const allocation of allocationsOf(block)) {
      if (allocation.coolingDown) continue;
      if (allocation.node === undefined) unknown++;
      else if (allocation.isBorrowed) borrowed.push({ ...allocation, owner: nodeOf(block) ?? "" });
    }
  if (format === "json" || format === "yaml") {
    const plain = borrowed.map((each) => ({ ...viewOf(each), node: each.node, blockOwner: each.owner || null }));
    return writeStructured(context, plain, format);
  }
  const columns = [
    { title: "IP", value: ({ address }: Allocation) => `${address}` },
    { title: "BORROWING-NODE", value: ({ node }: Allocation) => node ?? "" },
    { title: "BLOCK", value: ({ block }: Allocation) => `${block}` },
    { title: "BLOCK OWNER", value: ({ owner }: (typeof borrowed)[number]) => owner },
    { title: "TYPE", value: ({ attributes }: Allocation) => typeOf(attributes) },
    { title: "ALLOCATED-TO", value: ({ attributes }: Allocation) => userOf(attributes) },
  ];
  writeLine(context, formatBoxTable(columns, borrowed));
  if (unknown > 0)
    writeLine(
      context,
      `Note: found ${unknown} IP allocations without an explicit node association. Unable to determine if they are borrowed.`,
    );
}

function typeOf(attributes: Allocation["attributes"]): string {
  if (attributes.pod !== undefined) return "pod";
  return attributes["vmi-name"] === undefined ? (attributes.type ?? "") : "vmi";
}

function userOf({ namespace, pod, node, ...more }: Allocation["attributes"]): string {
  const name = pod ?? more["vmi-name"];
  if (name === undefined) return more.type === undefined ? "" : (node ?? "");
  return namespace === undefined ? name : `${namespace}/${name}`;
}

async function showConfiguration(
  context: CommandContext,
  { survey, configuration }: ClusterView,
  format: OutputFormat,
): Promise<void> {
  const { strictAffinity, autoAllocateBlocks, maxBlocksPerHost, cooldownSec } = survey.config;
  const settings = {
    StrictAffinity: strictAffinity,
    AutoAllocateBlocks: autoAllocateBlocks,
    MaxBlocksPerHost: maxBlocksPerHost,
    KubeVirtVMAddressPersistence: configuration?.kubeVirtVMAddressPersistence ?? "Enabled",
    IPCooldownSeconds: cooldownSec,
  };
  if (format === "json" || format === "yaml") return writeStructured(context, settings, format);
  const columns = [
    { title: "PROPERTY", value: ([name]: readonly [string, unknown]) => name },
    { title: "VALUE", value: ([, value]: readonly [string, unknown]) => `${value}` },
  ];
  writeLine(context, formatBoxTable(columns, Object.entries(settings)));
}
