import { Command, CommanderError, Option } from "commander";
import { CalibirdError, errorMessage } from "../core/errors.ts";
import { version } from "../core/version.ts";
import { AgentClient } from "./agent-client.ts";
import { explainRoute } from "./explain.ts";
import { showHistory } from "./history.ts";
import { showNeighbor } from "./neighbor.ts";
import type { NodeCleanupOptions } from "./node-cleanup.ts";
import { drainNode, undrainNode } from "./node-drain.ts";
import { showNodeStatus } from "./node-status.ts";
import { type CommandContext, type OutputFormat, parseOutputFormat, UsageError } from "./output.ts";
import { showPeers } from "./peers.ts";
import { setPoolMode } from "./pool-mode.ts";
import { applyManifests, deleteResources, getResources } from "./resources.ts";
import { showRouteDifferences } from "./route-differences.ts";
import { showRoutes } from "./routes.ts";
import { showVersion } from "./version.ts";

const everyFormat: readonly OutputFormat[] = ["table", "wide", "json", "yaml"];
const plainFormats: readonly OutputFormat[] = ["table", "json", "yaml"];

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
  const program = buildProgram(context, (code) => {
    status = code;
  });
  try {
    await program.parseAsync(argv, { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    context.stderr.write(`calictl: ${errorMessage(error)}\n`);
    if (error instanceof UsageError) return 2;
    if (!(error instanceof CalibirdError)) context.stderr.write(`${error instanceof Error ? error.stack : ""}\n`);
    return 1;
  }
}

function buildProgram(context: CommandContext, setStatus: (status: number) => void): Command {
  const program = new Command("calictl")
    .description("Shows and changes what calibird does on this node and in the cluster.")
    .version(version, "--version", "print the version of calictl")
    .addOption(
      new Option("--run-dir <dir>", "run directory of the agent to talk to")
        .env("CALIBIRD_RUN_DIR")
        .default("/run/calibird"),
    )
    .option("-o, --output <format>", "wide, json or yaml instead of the table")
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
  const client = () => new AgentClient({ runDir: globals().runDir, waitMs: parseWait(globals().wait) });
  const format = (known: readonly OutputFormat[]) => parseOutputFormat(globals().output, known);

  const routes = program
    .command("routes")
    .description("the routes of this node: what shall be in the kernel, what is, and why")
    .argument("[target]", "a prefix, or an address to find the routes that cover it")
    .addOption(new Option("-w, --watch", "go on and print every change").default(false).conflicts("diffKernel"))
    .option(
      "--diff-kernel",
      "compare with the kernel, read anew: - is too many there, + is missing; exit 1 if any",
      false,
    )
    .action(async (target: string | undefined, options: { watch: boolean; diffKernel: boolean }) => {
      if (options.diffKernel) setStatus(await showRouteDifferences(client(), context, target, format(plainFormats)));
      else await showRoutes(client(), context, target, { format: format(everyFormat), watch: options.watch });
    });
  routes
    .command("explain")
    .description("the whole chain for one address: pool, block, owner, peer, path, policy, encapsulation, kernel")
    .argument("<target>", "an address or a prefix")
    .action(async (target: string) => setStatus(await explainRoute(client(), context, target, format(plainFormats))));

  routes
    .command("history")
    .description("what happened to BGP sessions and routes: changes of the best path, refusals, sessions up and down")
    .argument("[target]", "a prefix or an address: only routes that overlap it")
    .option("--since <duration>", "nothing older, e.g. 10m")
    .action((target: string | undefined, options: { since?: string }) =>
      showHistory(client(), context, target, { format: format(everyFormat), since: options.since }),
    );

  const node = program.command("node").description("this node");
  node
    .command("status")
    .description("addresses, datastore, blocks, routes and BGP peers of this node")
    .action(() => showNodeStatus(client(), context, format(everyFormat)));
  node
    .command("drain")
    .description("shut all BGP sessions down, so that no traffic comes here any more; pods and routes stay")
    .option("--message <text>", "what the peers' operators read, up to 255 octets (RFC 9003)")
    .action(({ message }: { message?: string }) => drainNode(client(), context, message));
  node
    .command("undrain")
    .description("bring the BGP sessions back")
    .action(() => undrainNode(client(), context));
  node
    .command("cleanup")
    .description("remove what the agent, which must have ended, left in this node's kernel; prints it first")
    .option("--dry-run", "only print", false)
    .option("-y, --yes", "do not ask", false)
    .option("--force", "also while an agent runs", false)
    .option("--pods", "the host ends of pods' interfaces, too", false)
    .option("-c, --config <file>", "the agent's configuration (default: /etc/calibird/calibird.yaml)")
    .option("--route-protocol <number>", "as the agent's flag")
    .option("--vxlan-device <name>", "as the agent's flag")
    .option("--vxlan-device-v6 <name>", "as the agent's flag")
    .option("--vxlan-vni <number>", "as the agent's flag")
    .option("--vxlan-port <port>", "as the agent's flag")
    .option("--udp-encap-device <name>", "as the agent's flag")
    .option("--interface-prefix <text>", "as the agent's flag")
    .action(async (options: NodeCleanupOptions) => {
      // Only this command needs libc, which takes a while to load.
      const { cleanUpNode } = await import("./node-cleanup.ts");
      await cleanUpNode(context, globals().runDir, options, format(plainFormats));
    });

  program
    .command("peers")
    .description("the BGP peers of this node")
    .action(() => showPeers(client(), context, format(everyFormat)));

  const bgp = program.command("bgp").description("the BGP sessions of this node and their routes");
  bgp
    .command("summary")
    .description("as calictl peers")
    .action(() => showPeers(client(), context, format(everyFormat)));
  bgp
    .command("neighbor")
    .description("all about one session, or the routes that the peer has announced or has been told")
    .argument("<neighbor>", "address of the peer, or name of the session")
    .argument("[direction]", "received or advertised")
    .option("--prefix <prefix>", "only routes that overlap this prefix or address")
    .option("--limit <number>", "at most this many routes", "1000")
    .action((neighbor: string, direction: string | undefined, options: { prefix?: string; limit: string }) =>
      showNeighbor(client(), context, neighbor, direction, {
        format: format(everyFormat),
        prefix: options.prefix,
        limit: options.limit,
      }),
    );

  program
    .command("get")
    .description("show resources: ippool, node, bgppeer, bgpconfiguration, workloadendpoint")
    .argument("<kind>", "a kind or one of its short names")
    .argument("[names...]", "names; all of the kind without")
    .option("-n, --namespace <namespace>", "namespace of namespaced kinds; all without")
    .action((kind: string, names: string[], options: { namespace?: string }) =>
      getResources(client(), context, { kind, names, ...options, format: format(everyFormat) }),
    );
  program
    .command("apply")
    .description("create or replace the resources of manifests; nothing is changed if one of them is wrong")
    .requiredOption("-f, --filename <path...>", "files or folders of YAML or JSON; - reads standard input")
    .action((options: { filename: string[] }) => applyManifests(client(), context, options.filename));
  program
    .command("delete")
    .description("delete resources, by kind and name or by manifest")
    .argument("[kind]", "a kind or one of its short names")
    .argument("[names...]", "names")
    .option("-f, --filename <path...>", "files or folders of manifests; - reads standard input")
    .option("-n, --namespace <namespace>", "namespace of namespaced kinds")
    .option("-s, --skip-not-exists", "a resource that is not there is no failure", false)
    .action(
      (
        kind: string | undefined,
        names: string[],
        options: { filename?: string[]; namespace?: string; skipNotExists: boolean },
      ) => deleteResources(client(), context, { ...(kind === undefined ? {} : { kind }), names, ...options }),
    );

  program
    .command("pool")
    .description("IPPools while they are in use")
    .command("set-mode")
    .description("change how a pool's blocks are reached; prints what changes on every node first")
    .argument("<name>", "the IPPool")
    .argument("<mode>", "Never, Always or CrossSubnet")
    .option("--tunnel <kind>", "ipip, vxlan or udp (default: the one that the pool uses, else ipip, or vxlan for IPv6)")
    .option("--dry-run", "only print", false)
    .action((pool: string, mode: string, options: { tunnel?: string; dryRun: boolean }) =>
      setPoolMode(client(), context, {
        pool,
        mode,
        tunnel: options.tunnel,
        dryRun: options.dryRun,
        format: format(plainFormats),
      }),
    );

  program
    .command("version")
    .description("the versions of calictl and of the agent")
    .option("--client", "only calictl's, without asking the agent", false)
    .action((options: { client: boolean }) => showVersion(client(), context, options.client, format(plainFormats)));
  return program;
}

function parseWait(text: string): number {
  const seconds = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || seconds > 3600)
    throw new UsageError(`--wait ${text}: must be a number of seconds from 0 to 3600`);
  return seconds * 1000;
}
