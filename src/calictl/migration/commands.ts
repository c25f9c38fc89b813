import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import type { Command } from "commander";
import { errorMessage } from "../../core/errors.ts";
import type { CommandTools } from "../command-tools.ts";
import { type CommandContext, UsageError, writeLine } from "../output.ts";
import { withConnectionOptions } from "../resources/options.ts";
import { exportDatastore } from "./export.ts";
import { importDatastore, readExport } from "./import.ts";
import { changeClusterInformation } from "./lock.ts";

interface ConnectionOptions {
  readonly config?: string;
}

/** `calictl datastore migrate …`: a cluster from one datastore to another. */
export function registerMigration(program: Command, tools: CommandTools): void {
  const migrate = program
    .command("datastore")
    .description("the cluster's datastore as a whole")
    .command("migrate")
    .description("move a cluster to another datastore");
  withConnectionOptions(migrate.command("export"))
    .description("print all that is in a locked datastore, but for what agents and pods make anew")
    .action(({ config }: ConnectionOptions) =>
      tools.withDatastore(config, (datastore) =>
        exportDatastore(tools.context, datastore, tools.resourceClient(datastore)),
      ),
    );
  withConnectionOptions(migrate.command("import"))
    .description("fill an empty datastore with an export, and leave it locked")
    .requiredOption("-f, --filename <file>", "what export has printed; - reads standard input")
    .action(async ({ config, filename }: ConnectionOptions & { readonly filename: string }) => {
      const exported = await readExport(
        filename === "-" ? "standard input" : filename,
        await read(tools.context, filename),
      );
      await tools.withDatastore(config, (datastore) =>
        importDatastore(tools.context, datastore, tools.resourceClient(datastore), exported),
      );
    });
  registerLock(migrate, tools, { name: "lock", ready: false, done: "Datastore locked." });
  registerLock(migrate, tools, { name: "unlock", ready: true, done: "Datastore unlocked." });
}

function registerLock(
  migrate: Command,
  tools: CommandTools,
  { name, ready, done }: { readonly name: string; readonly ready: boolean; readonly done: string },
): void {
  const description = ready
    ? "let agents give out addresses and change routes again"
    : "keep agents from giving out addresses and changing routes; traffic goes on";
  withConnectionOptions(migrate.command(name))
    .description(description)
    .action(async ({ config }: ConnectionOptions) => {
      await tools.withDatastore(config, (datastore) =>
        changeClusterInformation(tools.resourceClient(datastore), (spec) => ({ ...spec, datastoreReady: ready })),
      );
      writeLine(tools.context, done);
    });
}

async function read(context: CommandContext, filename: string): Promise<string> {
  if (filename === "-") return text(context.stdin);
  try {
    return readFileSync(filename, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read ${filename}: ${errorMessage(error)}`);
  }
}
