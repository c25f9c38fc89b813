import type { Command } from "commander";
import type { NodeView } from "../agent/api/views.ts";
import { errorMessage } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { parseDuration } from "../resources/duration.ts";
import { AgentClient } from "./agent-client.ts";
import { type CommandTools, plainFormats } from "./command-tools.ts";
import { type CommandContext, type OutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";
import { pause } from "./pause.ts";
import { withConnectionOptions } from "./resources/options.ts";
import { isRefusal } from "./resources/refusal.ts";

interface VersionOptions {
  readonly client: boolean;
  readonly config?: string;
  readonly poll?: string;
}

/** What could be found out; null is what could not, and `problems` say why. */
interface Versions {
  readonly client: string;
  readonly agent?: string | null;
  readonly clusterVersion?: string | null;
  readonly clusterType?: string | null;
  readonly problems?: { readonly agent?: string; readonly cluster?: string };
}

/** `calictl version`: ours, the agent's and the cluster's; what cannot be asked is no failure, but is said. */
export function registerVersion(program: Command, tools: CommandTools): void {
  const command = program.command("version").description("the versions of calictl, of the agent, and of the cluster");
  withConnectionOptions(command)
    .option("--client", "only calictl's, without asking anybody", false)
    .option("--poll <duration>", "look again this often and print what has changed, e.g. 10s")
    .action((options: VersionOptions) => showVersions(tools, options));
}

async function showVersions(tools: CommandTools, options: VersionOptions): Promise<void> {
  const { context } = tools;
  const format = tools.format(plainFormats);
  const pollMs = parsePoll(options.poll);
  let last = "";
  do {
    const versions = options.client ? { client: version } : await findVersions(tools, options.config);
    const now = JSON.stringify(versions);
    if (now !== last) await writeVersions(context, versions, format);
    last = now;
  } while (pollMs > 0 && (await pause(pollMs, context.signal)));
}

function parsePoll(text: string | undefined): number {
  if (text === undefined) return 0;
  const milliseconds = text === "0" ? 0 : parseDuration(text);
  if (milliseconds !== undefined && milliseconds >= 0) return milliseconds;
  throw new UsageError(`--poll: "${text}" must be a duration such as 10s or 5m; 0 looks once`);
}

async function findVersions(tools: CommandTools, config: string | undefined): Promise<Versions> {
  // Who asks for versions does not want to wait for an agent.
  const client = new AgentClient({ runDir: tools.runDir(), waitMs: 0 });
  const problems: { agent?: string; cluster?: string } = {};
  let agent: string | null = null;
  try {
    agent = (await client.get<NodeView>("/v1/node")).version;
  } catch (error) {
    problems.agent = errorMessage(error);
  }
  let clusterVersion: string | null = null;
  let clusterType: string | null = null;
  try {
    const spec = await tools.withDatastore(
      config,
      async (datastore) => {
        try {
          return (await tools.resourceClient(datastore).get("ClusterInformation", "default")).spec;
        } catch (error) {
          if (isRefusal(error, "RESOURCE_NOT_FOUND")) return {};
          throw error;
        }
      },
      client,
    );
    clusterVersion = spec.calicoVersion ?? "";
    clusterType = spec.clusterType ?? "";
  } catch (error) {
    problems.cluster = errorMessage(error);
  }
  const isComplete = problems.agent === undefined && problems.cluster === undefined;
  return { client: version, agent, clusterVersion, clusterType, ...(!isComplete && { problems }) };
}

async function writeVersions(context: CommandContext, versions: Versions, format: OutputFormat): Promise<void> {
  if (format === "json" || format === "yaml") {
    await writeStructured(context, versions, format);
    return;
  }
  const { client, agent, clusterVersion, clusterType, problems = {} } = versions;
  writeLine(context, `Client Version:    ${client}`);
  if (agent === undefined) return;
  writeLine(context, `Agent Version:     ${agent ?? `unknown (${problems.agent})`}`);
  writeLine(context, `Cluster Version:   ${clusterVersion ?? `unknown (${problems.cluster})`}`);
  if (clusterType !== null) writeLine(context, `Cluster Type:      ${clusterType}`);
}
