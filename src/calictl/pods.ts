import { type Command, Option } from "commander";
import { podLabel } from "../agent/api/pod-routes.ts";
import type { PodView } from "../agent/api/views.ts";
import { AgentClient } from "./agent-client.ts";
import { type CommandContext, parseOutputFormat, UsageError, writeLine, writeStructured } from "./output.ts";
import { formatTable } from "./table.ts";

/** Adds `calibird pod add|del|list`: pods without a container runtime, for labs and for trying things out. */
export function registerPodCommands(parent: Command, context: CommandContext): void {
  const pod = parent.command("pod").description("network namespaces with a pod's wiring, without a container runtime");
  const runDir = () =>
    new Option("--run-dir <dir>", "run directory of the agent").env("CALIBIRD_RUN_DIR").default("/run/calibird");
  const client = (options: { runDir: string }) => new AgentClient({ runDir: options.runDir, waitMs: 10_000 });

  pod
    .command("add")
    .description("make a network namespace, give it an address and wire it; prints the pod as JSON")
    .argument("<pod>", "NAMESPACE/NAME, or NAME in the namespace default")
    .option("--netns <name>", "name of the network namespace below /run/netns (default: the pod's name)")
    .option(
      "--annotation <key=value>",
      "e.g. cni.projectcalico.org/ipv4pools='[\"blue\"]'; more than once",
      collect,
      [],
    )
    .addOption(runDir())
    .action(async (name: string, options: { netns?: string; annotation: string[]; runDir: string }) => {
      const annotations = parseAnnotations(options.annotation);
      const body = { ...parsePodName(name), networkNamespace: options.netns, annotations };
      const added = await client(options).admin<PodView>("POST", "/v1/pods", body);
      await writeStructured(context, added, "json");
    });
  pod
    .command("del")
    .description("undo pod add; a pod that is not there is no failure")
    .argument("<pod>", "NAMESPACE/NAME, or NAME in the namespace default")
    .addOption(runDir())
    .action(async (name: string, options: { runDir: string }) => {
      const parsed = parsePodName(name);
      await client(options).admin("DELETE", `/v1/pods/${parsed.namespace}/${parsed.name}`);
    });
  pod
    .command("list")
    .description("the pods of this node")
    .option("-o, --output <format>", "json or yaml instead of the table")
    .addOption(runDir())
    .action(async (options: { output?: string; runDir: string }) => {
      const format = parseOutputFormat(options.output, ["table", "json", "yaml"]);
      const pods = await client(options).admin<PodView[]>("GET", "/v1/pods");
      if (format === "json" || format === "yaml") await writeStructured(context, pods, format);
      else if (pods.length === 0) writeLine(context, "no pods");
      else writeLine(context, podTable(pods));
    });
}

function podTable(pods: readonly PodView[]): string {
  return formatTable<PodView>(
    [
      { title: "NAMESPACE", value: (pod) => pod.namespace },
      { title: "NAME", value: (pod) => pod.name },
      { title: "ADDRESS", value: (pod) => pod.addresses.join(",") },
      { title: "INTERFACE", value: (pod) => pod.interface },
      { title: "NETNS", value: (pod) => pod.networkNamespace ?? "" },
    ],
    pods,
    false,
  );
}

function parsePodName(text: string): { namespace: string; name: string } {
  const parts = text.split("/");
  const [namespace, name] = parts.length === 1 ? ["default", parts[0] ?? ""] : [parts[0] ?? "", parts[1] ?? ""];
  if (parts.length > 2 || !podLabel.test(namespace) || !podLabel.test(name))
    throw new UsageError(
      `"${text}" is no pod: it must be NAME or NAMESPACE/NAME of lower-case letters, digits and '-'`,
    );
  return { namespace, name };
}

const collect = (value: string, values: readonly string[]): string[] => [...values, value];

function parseAnnotations(texts: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    texts.map((text) => {
      const [key, ...value] = text.split("=");
      if (key && value.length > 0) return [key, value.join("=")];
      throw new UsageError(`--annotation "${text}" must be KEY=VALUE`);
    }),
  );
}
