import { randomUUID } from "node:crypto";
import { Command, CommanderError, Option } from "commander";
import { systemClock } from "../core/clock.ts";
import { CalibirdError, errorMessage } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { ResourceClient } from "../datastore/resource-client.ts";
import { AgentClient } from "./agent-client.ts";
import { registerAgentCommands } from "./agent-commands.ts";
import type { CommandTools } from "./command-tools.ts";
import { registerCompletion } from "./completion/commands.ts";
import { registerConvert } from "./convert/command.ts";
import { withDatastore } from "./datastore-access.ts";
import { registerIpamCommands } from "./ipam/commands.ts";
import { registerMigration } from "./migration/commands.ts";
import { type CommandContext, parseOutputFormat, UsageError } from "./output.ts";
import { registerResourceCommands } from "./resources/commands.ts";
import { CommandFailure } from "./resources/run-set.ts";
import { registerVersion } from "./version.ts";

interface GlobalOptions {
  readonly runDir: string;
  readonly output?: string;
  readonly wait: string;
}

/**
 * Runs `calictl ARGUMENTS…` and returns its exit status: 0 done, 1 failed, 2 the command line is wrong (DESIGN §6).
 * Nothing is thrown: errors become a line on stderr.
 */
export async function runCalictl(argv: readonly string[], context: CommandContext): Promise<number> {
  let status = 0;
  let failureStatus = 1;
  const program = buildProgram(context, {
    setStatus: (code) => {
      status = code;
    },
    setFailureStatus: (code) => {
      failureStatus = code;
    },
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (error instanceof CommandFailure) {
      context.stderr.write(`${error.message}\n`);
      return failureStatus;
    }
    context.stderr.write(`calictl: ${errorMessage(error)}\n`);
    if (error instanceof UsageError) return 2;
    if (!(error instanceof CalibirdError)) context.stderr.write(`${error instanceof Error ? error.stack : ""}\n`);
    return failureStatus;
  }
}

/** All of calictl's commands. `statuses` is told with which exit status a command wants to end. */
export function buildProgram(
  context: CommandContext,
  statuses: Pick<CommandTools, "setStatus" | "setFailureStatus">,
): Command {
  const program = new Command("calictl")
    .description("Shows and changes what calibird does on this node and in the cluster.")
    .version(version, "--version", "print the version of calictl")
    .addOption(
      new Option("--run-dir <dir>", "run directory of the agent to talk to")
        .env("CALIBIRD_RUN_DIR")
        .default("/run/calibird"),
    )
    .option("-o, --output <format>", "wide, json or yaml instead of the table; get has more")
    .option("--no-color", "no colour, even on a terminal")
    .option("--wait <seconds>", "how long to wait for an agent that is just starting", "10")
    .showSuggestionAfterError()
    .showHelpAfterError("(--help shows what there is)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => context.stdout.write(text),
      writeErr: (text) => context.stderr.write(text),
    });
  const globals = () => program.opts<GlobalOptions>();
  const agent = () => {
    const { runDir, wait } = globals();
    const onWaiting = (path: string) =>
      context.stderr.write(`calictl: no agent answers on ${path} yet; waiting up to ${wait} s (--wait)\n`);
    return new AgentClient({ runDir, waitMs: parseWait(wait), onWaiting });
  };
  const tools: CommandTools = {
    context,
    agent,
    runDir: () => globals().runDir,
    output: () => globals().output,
    format: (known) => parseOutputFormat(globals().output, known),
    ...statuses,
    withDatastore: (configFile, run, client) => {
      const sources = { environment: context.environment, ...(configFile !== undefined && { configFile }) };
      return withDatastore(sources, () => client ?? agent(), run);
    },
    resourceClient: (datastore) => new ResourceClient({ datastore, clock: systemClock, createUid: randomUUID }),
  };
  registerAgentCommands(program, tools);
  registerResourceCommands(program, tools);
  registerIpamCommands(program, tools);
  registerConvert(program, tools);
  registerMigration(program, tools);
  registerVersion(program, tools);
  registerCompletion(program, tools);
  return program;
}

function parseWait(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds > 3600)
    throw new UsageError(`--wait ${text}: must be a number of seconds from 0 to 3600`);
  return seconds * 1000;
}
