import { type Command, Option } from "commander";
import { type CommandTools, everyFormat, plainFormats } from "./command-tools.ts";
import { explainRoute } from "./explain.ts";
import { showHistory } from "./history.ts";
import { showNeighbor } from "./neighbor.ts";
import type { NodeCleanupOptions } from "./node-cleanup.ts";
import { drainNode, undrainNode } from "./node-drain.ts";
import { showNodeStatus } from "./node-status.ts";
import { showPeers } from "./peers.ts";
import { setPoolMode } from "./pool-mode.ts";
import { showRouteDifferences } from "./route-differences.ts";
import { showRoutes } from "./routes.ts";

/** The commands that ask the agent of this node. */
export function registerAgentCommands(program: Command, tools: CommandTools): void {
  registerRoutes(program, tools);
  registerNode(program, tools);
  registerBgp(program, tools);
  registerPool(program, tools);
}

function registerRoutes(program: Command, { agent, context, format, setStatus }: CommandTools): void {
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
      if (options.diffKernel) setStatus(await showRouteDifferences(agent(), context, target, format(plainFormats)));
      else await showRoutes(agent(), context, target, { format: format(everyFormat), watch: options.watch });
    });
  routes
    .command("explain")
    .description("the whole chain for one address: pool, block, owner, peer, path, policy, encapsulation, kernel")
    .argument("<target>", "an address or a prefix")
    .action(async (target: string) => setStatus(await explainRoute(agent(), context, target, format(plainFormats))));

  routes
    .command("history")
    .description("what happened to BGP sessions and routes: changes of the best path, refusals, sessions up and down")
    .argument("[target]", "a prefix or an address: only routes that overlap it")
    .option("--since <duration>", "nothing older, e.g. 10m")
    .action((target: string | undefined, options: { since?: string }) =>
      showHistory(agent(), context, target, { format: format(everyFormat), since: options.since }),
    );
}

function registerNode(program: Command, { agent, context, format, runDir }: CommandTools): void {
  const node = program.command("node").description("this node");
  node
    .command("status")
    .description("addresses, datastore, blocks, routes and BGP peers of this node")
    .action(() => showNodeStatus(agent(), context, format(everyFormat)));
  node
    .command("drain")
    .description("shut all BGP sessions down, so that no traffic comes here any more; pods and routes stay")
    .option("--message <text>", "what the peers' operators read, up to 255 octets (RFC 9003)")
    .action(({ message }: { message?: string }) => drainNode(agent(), context, message));
  node
    .command("undrain")
    .description("bring the BGP sessions back")
    .action(() => undrainNode(agent(), context));
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
      await cleanUpNode(context, runDir(), options, format(plainFormats));
    });
}

function registerBgp(program: Command, { agent, context, format }: CommandTools): void {
  program
    .command("peers")
    .description("the BGP peers of this node")
    .action(() => showPeers(agent(), context, format(everyFormat)));

  const bgp = program.command("bgp").description("the BGP sessions of this node and their routes");
  bgp
    .command("summary")
    .description("as calictl peers")
    .action(() => showPeers(agent(), context, format(everyFormat)));
  bgp
    .command("neighbor")
    .description("all about one session, or the routes that the peer has announced or has been told")
    .argument("<neighbor>", "address of the peer, or name of the session")
    .argument("[direction]", "received or advertised")
    .option("--prefix <prefix>", "only routes that overlap this prefix or address")
    .option("--limit <number>", "at most this many routes", "1000")
    .action((neighbor: string, direction: string | undefined, options: { prefix?: string; limit: string }) =>
      showNeighbor(agent(), context, neighbor, direction, {
        format: format(everyFormat),
        prefix: options.prefix,
        limit: options.limit,
      }),
    );
}

function registerPool(program: Command, { agent, context, format }: CommandTools): void {
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
      setPoolMode(agent(), context, {
        pool,
        mode,
        tunnel: options.tunnel,
        dryRun: options.dryRun,
        format: format(plainFormats),
      }),
    );
}
