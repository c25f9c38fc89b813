import { Argument, type Command } from "commander";
import type { ResourceKind } from "../../resources/kinds.ts";
import { kinds } from "../../resources/kinds.ts";
import { AgentClient } from "../agent-client.ts";
import type { CommandTools } from "../command-tools.ts";
import { writeLine } from "../output.ts";
import { type CompletionSources, findCandidates, namespacedKinds } from "./candidates.ts";
import { readTypedLine } from "./command-line.ts";
import { completionScripts } from "./shells.ts";

/** `calictl completion SHELL`, and the hidden `calictl complete`, which the shells' scripts ask. */
export function registerCompletion(program: Command, tools: CommandTools): void {
  program
    .command("completion")
    .description(
      "print what makes a shell complete calictl's commands, kinds and names: source <(calictl completion bash)",
    )
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(completionScripts)))
    .action((shell: keyof typeof completionScripts) => {
      tools.context.stdout.write(completionScripts[shell]);
    });
  program
    .command("complete", { hidden: true })
    .argument("[words...]", "the words after calictl; the last one is being typed")
    .action(async (words: string[]) => {
      const runDir = readTypedLine(program, words).options.get("run-dir") ?? tools.runDir();
      const candidates = await findCandidates(program, words, sourcesOf(tools, runDir)).catch(() => []);
      for (const candidate of candidates) writeLine(tools.context, candidate);
    });
}

/** Who is typing does not want to wait for an agent. */
function sourcesOf(tools: CommandTools, runDir: string): CompletionSources {
  const agent = () => new AgentClient({ runDir, waitMs: 0 });
  const list = (kind: ResourceKind, namespace: string | undefined, config: string | undefined) =>
    tools.withDatastore(
      config,
      async (datastore) => (await tools.resourceClient(datastore).list(kind, namespace)).resources,
      agent(),
    );
  return {
    agent,
    async names(kind, namespace, config) {
      const resources = await list(kind, kinds[kind].namespaced ? namespace : undefined, config);
      return resources.map(({ metadata }) => metadata.name);
    },
    async namespaces(config) {
      const resources = await Promise.all(namespacedKinds.map((kind) => list(kind, undefined, config)));
      return [...new Set(resources.flat().map(({ metadata }) => metadata.namespace ?? "default"))].sort();
    },
  };
}
