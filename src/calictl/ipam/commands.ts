import { type Command, Option } from "commander";
import { type CommandTools, plainFormats } from "../command-tools.ts";
import { withConnectionOptions } from "../resources/options.ts";
import type { ConfigureOptions, ReassignOptions, SplitOptions } from "./change.ts";
import type { CheckOptions } from "./check.ts";
import { withCluster } from "./cluster.ts";
import type { ReleaseOptions } from "./release.ts";
import type { ShowOptions } from "./show.ts";

/** `calictl ipam …`, in calicoctl's words where it has them. What they do is loaded when one of them runs. */
export function registerIpamCommands(program: Command, tools: CommandTools): void {
  const { context } = tools;
  const ipam = program.command("ipam").description("pools, blocks and addresses of the cluster");

  const looks = ["ip", "showBlocks", "showBorrowed", "showConfiguration", "map"];
  const look = (flags: string, description: string, own: string) =>
    new Option(flags, description).conflicts(looks.filter((name) => name !== own));
  withConnectionOptions(ipam.command("show"))
    .description("how many addresses of each pool are in use, reserved and free")
    .addOption(look("--ip <address>", "who has this address", "ip"))
    .addOption(look("--show-blocks", "the blocks of each pool, too", "showBlocks").default(false))
    .addOption(look("--show-borrowed", "addresses that nodes use out of others' blocks", "showBorrowed").default(false))
    .addOption(look("--show-configuration", "the settings of IPAM", "showConfiguration").default(false))
    .addOption(look("--map", "a picture of each block, one sign per address", "map").default(false))
    .action(async (options: ShowOptions) => {
      const format = tools.format(plainFormats);
      const { showIpam } = await import("./show.ts");
      await withCluster(tools, options.config, (cluster) => showIpam(context, cluster, options, format));
    });

  withConnectionOptions(ipam.command("check"))
    .description(
      "compare blocks, handles and affinities with each other, and with nodes and workloads; changes nothing",
    )
    .option("-o, --output <file>", "write a report of all allocations there, for ipam release --from-report")
    .option("--show-all-ips", "print every address", false)
    .option("--show-problem-ips", "print every address and handle that is a problem", false)
    .action(async (options: CheckOptions) => {
      const { checkCluster } = await import("./check.ts");
      // Everywhere else -o names a format, and calictl reads it before the command does.
      const output = tools.output();
      const asked = { ...options, ...(output !== undefined && { output }) };
      await withCluster(tools, options.config, (cluster) => checkCluster(context, cluster, asked));
    });

  withConnectionOptions(ipam.command("release"))
    .description("release addresses that are not in use; whoever uses one of them loses it")
    .addOption(new Option("--ip <address>", "this address, whoever has it").conflicts(["handle", "fromReport"]))
    .addOption(new Option("--handle <id>", "all addresses of this handle").conflicts(["ip", "fromReport"]))
    .addOption(
      new Option(
        "--from-report <file...>",
        "what reports of ipam check -o call leaked; with several only what all of them do",
      ).conflicts(["ip", "handle"]),
    )
    .option("--force", "use reports of another version, older ones, and without the datastore locked", false)
    .action(async (options: ReleaseOptions) => {
      const { releaseIpam } = await import("./release.ts");
      await withCluster(tools, options.config, (cluster) => releaseIpam(context, cluster, options));
    });

  withConnectionOptions(ipam.command("split"))
    .description("put pools of equal size in the place of one; blocks and addresses stay as they are")
    .argument("<number>", "how many: a power of two")
    .option("--cidr <cidr>", "range of the pool")
    .option("--name <name>", "name of the pool")
    .option("--force", "also while the datastore is not locked", false)
    .action(async (number: string, options: SplitOptions) => {
      const { parseParts, splitIpPool } = await import("./change.ts");
      const parts = parseParts(number);
      await withCluster(tools, options.config, (cluster) => splitIpPool(tools, cluster, parts, options));
    });

  withConnectionOptions(ipam.command("configure"))
    .description("change settings of IPAM, in the whole cluster")
    .option("--strictaffinity <boolean>", "true: nodes use addresses of their own blocks only")
    .option("--max-blocks-per-host <number>", "blocks per node and family; 0 stands for 20")
    .option("--kubevirt-ip-persistence <setting>", "Enabled or Disabled: virtual machines keep their address")
    .option("--ip-cooldown-seconds <number>", "how long a released address is not used again")
    .action(async (options: ConfigureOptions) => {
      const { configureCluster } = await import("./change.ts");
      await configureCluster(tools, options);
    });

  withConnectionOptions(ipam.command("reassign"))
    .description("give blocks, with the addresses in them, to a node: for one that has got a new name")
    .requiredOption("--to <node>", "the new owner")
    .option("--block <cidr>", "this block")
    .option("--from <node>", "all blocks of this node")
    .action(async (options: ReassignOptions) => {
      const { reassignBlocks } = await import("./change.ts");
      await withCluster(tools, options.config, (cluster) => reassignBlocks(context, cluster, options));
    });
}
