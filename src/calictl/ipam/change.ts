import { randomUUID } from "node:crypto";
import { nodeOf } from "../../ipam/block-choice.ts";
import { configureIpam } from "../../ipam/configure.ts";
import { splitPool } from "../../ipam/pool-split.ts";
import { Prefix } from "../../net/prefix.ts";
import type { IpamConfigurationSpec } from "../../resources/ipam-configuration.ts";
import type { CommandTools } from "../command-tools.ts";
import { type CommandContext, UsageError, writeLine } from "../output.ts";
import type { ClusterView } from "./cluster.ts";
import { IpamCommandError } from "./failure.ts";

export interface ConfigureOptions {
  readonly config?: string;
  readonly strictaffinity?: string;
  readonly maxBlocksPerHost?: string;
  readonly kubevirtIpPersistence?: string;
  readonly ipCooldownSeconds?: string;
}

/** `calictl ipam configure`. */
export async function configureCluster(tools: CommandTools, options: ConfigureOptions): Promise<void> {
  const { strictaffinity, maxBlocksPerHost, kubevirtIpPersistence, ipCooldownSeconds } = options;
  const change: Partial<IpamConfigurationSpec> = {
    ...(strictaffinity !== undefined && {
      strictAffinity: oneOf("--strictaffinity", strictaffinity, ["true", "false"]) === "true",
    }),
    ...(maxBlocksPerHost !== undefined && { maxBlocksPerHost: count("--max-blocks-per-host", maxBlocksPerHost) }),
    ...(kubevirtIpPersistence !== undefined && {
      kubeVirtVMAddressPersistence: oneOf("--kubevirt-ip-persistence", kubevirtIpPersistence, ["Enabled", "Disabled"]),
    }),
    ...(ipCooldownSeconds !== undefined && { ipCooldownSeconds: count("--ip-cooldown-seconds", ipCooldownSeconds) }),
  };
  if (Object.keys(change).length === 0)
    throw new UsageError("ipam configure needs at least one setting; --help shows them");
  await tools.withDatastore(options.config, async (datastore) => {
    await configureIpam(tools.resourceClient(datastore), change);
  });
  for (const [name, value] of Object.entries(change))
    writeLine(tools.context, `Successfully set ${goName(name)} to: ${value}`);
}

export interface SplitOptions {
  readonly config?: string;
  readonly cidr?: string;
  readonly name?: string;
  readonly force: boolean;
}

/** `calictl ipam split NUMBER --cidr CIDR | --name POOL`. */
export async function splitIpPool(
  tools: CommandTools,
  { facts, cluster, datastore }: ClusterView,
  parts: number,
  { cidr, name, force }: SplitOptions,
): Promise<void> {
  if ((cidr === undefined) === (name === undefined)) throw new UsageError("ipam split needs one of --cidr and --name");
  const wanted = cidr === undefined ? undefined : parseBlock("--cidr", cidr);
  const pool = facts.pools.find((each) => (wanted === undefined ? each.name === name : each.cidr.equals(wanted)));
  if (pool === undefined) {
    const known = facts.pools.map((each) => `${each.name} (${each.cidr})`).join(", ") || "none";
    throw new UsageError(`there is no IP pool ${name ?? cidr}; there are: ${known}`);
  }
  if (cluster.datastoreReady !== false && !force)
    throw new IpamCommandError(
      "NOT_LOCKED",
      "the datastore is not locked: run calictl datastore migrate lock first and unlock when the pool is split; or " +
        "--force, which splits in one step without a moment between the pools",
    );
  const client = tools.resourceClient(datastore);
  const { nowMs } = tools.context;
  const made = await splitPool({ client, datastore, createUid: randomUUID, nowMs: nowMs() }, pool.name, parts);
  for (const part of made) writeLine(tools.context, `Created IP pool ${part.name} with CIDR ${part.cidr}`);
  writeLine(tools.context, `Deleted IP pool ${pool.name}; its blocks and addresses stay as they are`);
}

export interface ReassignOptions {
  readonly config?: string;
  readonly block?: string;
  readonly from?: string;
  readonly to: string;
}

/** `calictl ipam reassign --to NODE (--block CIDR | --from NODE)`. */
export async function reassignBlocks(
  context: CommandContext,
  { survey, facts, administration }: ClusterView,
  { block, from, to }: ReassignOptions,
): Promise<void> {
  if ((block === undefined) === (from === undefined))
    throw new UsageError("ipam reassign needs one of --block and --from");
  if (!facts.nodes.has(to))
    throw new UsageError(`--to ${to}: there is no such node; there are: ${[...facts.nodes].join(", ") || "none"}`);
  const blocks =
    block === undefined
      ? survey.blocks.filter((each) => nodeOf(each) === from).map(({ cidr }) => cidr)
      : [parseBlock("--block", block)];
  for (const cidr of blocks) {
    const { from: before } = await administration.reassignBlock(cidr, to);
    writeLine(context, `Block ${cidr} of node ${before} now belongs to node ${to}`);
  }
  if (blocks.length === 0) writeLine(context, `Node ${from} owns no blocks`);
}

/** The number of parts on the command line. */
export function parseParts(text: string): number {
  const parts = Number(text);
  if (!/^\d+$/.test(text) || parts < 2 || !Number.isInteger(Math.log2(parts)))
    throw new UsageError(`${text} parts: must be a power of two, 2 or more`);
  return parts;
}

function parseBlock(option: string, text: string): Prefix {
  const prefix = Prefix.tryParse(text);
  if (prefix === undefined) throw new UsageError(`${option} ${text}: must be a prefix like 10.244.7.64/26`);
  return prefix;
}

function oneOf<Name extends string>(option: string, text: string, known: readonly Name[]): Name {
  const found = known.find((name) => name.toLowerCase() === text.toLowerCase());
  if (found === undefined) throw new UsageError(`${option} ${text}: must be ${known.join(" or ")}`);
  return found;
}

function count(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new UsageError(`${option} ${text}: must be a whole number, 0 or more`);
  return value;
}

/** The name that calicoctl prints. */
function goName(field: string): string {
  return field === "ipCooldownSeconds" ? "IPCooldownSeconds" : field.charAt(0).toUpperCase() + field.slice(1);
}
