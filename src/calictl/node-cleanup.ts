import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { answers } from "../agent/api/unix-server.ts";
import { CleanupError, findLeftovers, removeLeftovers } from "../agent/cleanup/node-cleanup.ts";
import type { CleanupPlan, Leftover } from "../agent/cleanup/plan.ts";
import { ConfigError } from "../agent/config/config-error.ts";
import { resolveConfig } from "../agent/config/resolve.ts";
import type { AgentConfig } from "../agent/config/settings.ts";
import { checkNoLiveBird } from "../agent/live-bird.ts";
import { createNftRunner } from "../nat/program.ts";
import { openDirectNetlink } from "../netlink/open.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";

/** Options of the command; the settings are texts as the agent's flags have them. */
export interface NodeCleanupOptions {
  readonly dryRun: boolean;
  readonly yes: boolean;
  readonly force: boolean;
  readonly pods: boolean;
  readonly config?: string;
  readonly routeProtocol?: string;
  readonly vxlanDevice?: string;
  readonly vxlanDeviceV6?: string;
  readonly vxlanVni?: string;
  readonly vxlanPort?: string;
  readonly udpEncapDevice?: string;
  readonly interfacePrefix?: string;
}

/** Of each kind so many are printed; `-o json` has all. */
const printedPerKind = 20;

/** `calictl node cleanup`: prints what an agent left in this node's kernel, then removes it. */
export async function cleanUpNode(
  context: CommandContext,
  runDir: string,
  options: NodeCleanupOptions,
  format: OutputFormat,
): Promise<void> {
  const { dryRun, yes } = options;
  const settings = await agentSettings(context, options);
  if (process.geteuid?.() !== 0)
    throw new CleanupError("NEEDS_ROOT", "node cleanup is for root only: run it with sudo");
  if (!options.force) await refuseWhileInUse([runDir, settings.runDir], settings.routeProtocol);
  const netlink = openDirectNetlink();
  try {
    const access = { netlink, runNft: createNftRunner() };
    const plan = await findLeftovers(access, settings, options.pods);
    if (format === "table") writePlan(context, plan);
    const nothing = plan.leftovers.length === 0;
    if (!dryRun && !nothing) {
      if (!yes) await confirm(context, plan.leftovers.length);
      await removeLeftovers(access, plan.leftovers);
    }
    const removed = !dryRun && !nothing;
    if (format === "json" || format === "yaml") {
      const leftovers = plan.leftovers.map(({ kind, name }) => ({ kind, name }));
      await writeStructured(context, { leftovers, kept: plan.kept, removed }, format);
    } else if (removed) writeLine(context, "removed");
    else if (!nothing) writeLine(context, "dry run: nothing was removed");
  } finally {
    await netlink.close();
  }
}

/** The settings that the agent would have: by its flags here, its environment variables, its file. */
async function agentSettings(context: CommandContext, options: NodeCleanupOptions): Promise<AgentConfig> {
  const { config, routeProtocol, vxlanDevice, vxlanDeviceV6, vxlanVni, vxlanPort, udpEncapDevice, interfacePrefix } =
    options;
  try {
    return await resolveConfig({
      flags: { routeProtocol, vxlanDevice, vxlanDeviceV6, vxlanVni, vxlanPort, udpEncapDevice, interfacePrefix },
      environment: context.environment,
      ...(config !== undefined && { configFile: config }),
    });
  } catch (error) {
    if (error instanceof ConfigError) throw new UsageError(error.message);
    throw error;
  }
}

async function refuseWhileInUse(runDirs: readonly string[], routeProtocol: number): Promise<void> {
  for (const runDir of new Set(runDirs))
    for (const socket of ["status.sock", "agent.sock"]) {
      const path = join(runDir, socket);
      if (await answers(path))
        throw new CleanupError(
          "AGENT_ANSWERS",
          `an agent answers on ${path} and would write everything again: stop it first, or give --force`,
          { path },
        );
    }
  await checkNoLiveBird({ routeProtocol, takeoverProtocols: undefined });
}

function writePlan(context: CommandContext, { leftovers, kept }: CleanupPlan): void {
  if (leftovers.length === 0) writeLine(context, "there is nothing to remove");
  for (const kind of ["route", "address", "device", "table"] as const) writeKind(context, kind, leftovers);
  for (const sentence of kept) writeLine(context, sentence);
}

function writeKind(context: CommandContext, kind: Leftover["kind"], leftovers: readonly Leftover[]): void {
  const found = leftovers.filter((leftover) => leftover.kind === kind);
  if (found.length === 0) return;
  const plural = kind === "address" ? "addresses" : `${kind}s`;
  writeLine(context, `${found.length} ${found.length === 1 ? kind : plural}`);
  for (const { name } of found.slice(0, printedPerKind)) writeLine(context, `  ${name}`);
  if (found.length > printedPerKind) writeLine(context, `  and ${found.length - printedPerKind} more (-o json: all)`);
}

async function confirm(context: CommandContext, count: number): Promise<void> {
  const { stdin, stderr } = context;
  if (!("isTTY" in stdin) || stdin.isTTY !== true)
    throw new UsageError("nobody can be asked where standard input is no terminal: give --yes, or --dry-run");
  const dialogue = createInterface({ input: stdin, output: stderr });
  try {
    // Control-C and Control-D end the dialogue without an answer, and the question would wait for ever.
    const closed = new Promise<string>((resolve) => dialogue.once("close", () => resolve("")));
    const question = dialogue.question(`Remove ${count === 1 ? "it" : `these ${count}`}? [y/N] `);
    const answer = await Promise.race([question, closed]);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    dialogue.close();
  }
  throw new CleanupError("NOT_CONFIRMED", "nothing was removed");
}
