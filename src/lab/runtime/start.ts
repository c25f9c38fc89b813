import { mkdirSync } from "node:fs";
import { LabError } from "../errors.ts";
import { connectNodes } from "./links.ts";
import { startMain, startNode } from "./node.ts";
import { downCommand, labPaths, labsRoot, namespaceName } from "./paths.ts";
import { type LabPlan, makeSources } from "./plan.ts";
import { removeLab } from "./remove.ts";
import { runOrFail } from "./run-program.ts";
import { type LabState, writeState } from "./state.ts";
import { writeWrappers } from "./wrappers.ts";

/**
 * Makes a planned lab: state file, network namespaces, links, nodes, main processes, in this order. The state file comes
 * first and names everything else, so that whatever happens later can be undone; its phase stays "starting". If a step
 * fails, or the signal fires, everything is removed before the error is thrown.
 */
export async function startLab(
  plan: LabPlan,
  report: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<LabState> {
  claim(plan);
  let state: LabState = {
    format: 1,
    name: plan.name,
    file: plan.file,
    phase: "starting",
    ownerPid: process.pid,
    startedAt: new Date().toISOString(),
    nodes: plan.nodes.map(({ name, kind, command, env }) => ({
      name,
      kind,
      namespace: namespaceName(plan.name, name),
      command,
      env,
    })),
  };
  const check = () => {
    if (signal?.aborted === true)
      throw new LabError("LAB_INTERRUPTED", `the start of lab ${plan.name} was interrupted`);
  };
  try {
    writeState(state);
    writeWrappers(plan.name);
    makeSources(plan);
    report(`namespaces of ${plan.nodes.map((node) => node.name).join(", ")}`);
    // One after the other: the first `ip netns add` of a machine sets up /run/netns itself.
    for (const node of state.nodes) {
      check();
      await runOrFail(["ip", "netns", "add", node.namespace]);
    }
    await connectNodes(plan.name, plan.nodes, plan.links);
    report(`${plan.links.length} links`);
    check();
    const linux = plan.nodes.filter((node) => node.kind === "linux");
    const inits = new Map(
      await Promise.all(
        linux.map(async (node) => {
          const pid = await startNode(plan.name, node, namespaceName(plan.name, node.name));
          return [node.name, pid] as const;
        }),
      ),
    );
    check();
    const nodes = state.nodes.map((node) => {
      const initPid = inits.get(node.name);
      return initPid === undefined ? node : { ...node, initPid };
    });
    const started = nodes.filter((node) => node.command.length > 0);
    await Promise.all(started.map((node) => startMain(plan.name, node)));
    report(`main processes of ${started.map((node) => node.name).join(", ") || "no node"}`);
    check();
    state = { ...state, nodes };
    writeState(state);
    return state;
  } catch (error) {
    await removeLab(plan.name);
    throw error;
  }
}

/** Takes the lab's directory, which only one process can make. */
function claim(plan: LabPlan): void {
  const { name } = plan;
  mkdirSync(labsRoot(), { recursive: true, mode: 0o755 });
  try {
    mkdirSync(labPaths(name).root, { mode: 0o755 });
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
    throw new LabError(
      "LAB_ALREADY_UP",
      `lab ${name} is being started by another process; if there is none, remove what it left with "${downCommand(plan)}"`,
      { name },
    );
  }
}
