#!/usr/bin/env node
import { Command, CommanderError, Option } from "commander";
import { defaultConfigFile } from "../agent/config/resolve.ts";
import { settings } from "../agent/config/settings.ts";
import { UsageError } from "../calictl/output.ts";
import { registerPodCommands } from "../calictl/pods.ts";
import { terminalContext } from "../calictl/terminal.ts";
import { CalibirdError, errorMessage } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { registerLabCommands } from "../lab/commands.ts";

const program = new Command("calibird")
  .description("BGP route distribution for container clusters: one agent per node.")
  .version(version, "--version", "print the version")
  .showSuggestionAfterError()
  .showHelpAfterError("(--help shows what there is)")
  .exitOverride();

registerAgentCommand(program);
registerPodCommands(program, terminalContext());
registerLabCommands(program);

try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else {
    process.stderr.write(`calibird: ${errorMessage(error)}\n`);
    if (!(error instanceof CalibirdError)) process.stderr.write(`${error instanceof Error ? error.stack : ""}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}

interface AgentOptions extends Record<string, unknown> {
  readonly config?: string;
  readonly explainAddress?: true;
}

/** `calibird agent`: every setting of the table is a flag; the agent itself is loaded only when it is asked for. */
function registerAgentCommand(parent: Command): void {
  const command = parent
    .command("agent")
    .description("run the agent of this node in the foreground")
    .option("--config <file>", `configuration file (default: ${defaultConfigFile} if it exists)`)
    .option("--explain-address", "print how this node comes by its name and addresses, and end");
  const flagged = settings.flatMap(({ key, flag, placeholder, help }) =>
    flag === undefined ? [] : [{ key, flag, placeholder, help }],
  );
  for (const { flag, placeholder, help } of flagged) command.addOption(new Option(`--${flag} <${placeholder}>`, help));
  command.action(async ({ explainAddress, config, ...options }: AgentOptions) => {
    const flags = Object.fromEntries(
      flagged.map(({ key, flag }) => {
        const text = options[camelCase(flag)];
        return [key, typeof text === "string" ? text : undefined];
      }),
    );
    const sources = {
      flags,
      environment: process.env,
      ...(config === undefined ? {} : { configFile: config }),
    };
    const status =
      explainAddress === true
        ? await (await import("../calictl/explain-address.ts")).explainAddress(terminalContext(), sources)
        : await (await import("../agent/run.ts")).runAgent(sources);
    // A part that did not stop in time must not keep the process.
    process.exit(status);
  });
}

/** commander's name of a flag in its options object. */
function camelCase(flag: string): string {
  return flag.replace(/-([a-z])/g, (_match, letter: string) => letter.toUpperCase());
}
