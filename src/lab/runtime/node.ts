import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, readlinkSync } from "node:fs";
import { Readable } from "node:stream";
import { LabError } from "../errors.ts";
import { namespacePath, nodePaths } from "./paths.ts";
import { nearestFolder, type PlannedNode } from "./plan.ts";
import { isInNamespace, processesInNamespace, type RunningProcess, signalProcess, waitUntil } from "./processes.ts";
import { mainScript, type NodeSetup, setupScript } from "./setup-script.ts";
import type { NodeState } from "./state.ts";

/** How a node's main process is. */
export type MainState =
  | { readonly state: "none" }
  | { readonly state: "running"; readonly pid: number }
  | { readonly state: "exited"; readonly code: number }
  /** It is gone and nobody saw how, which happens if the node as a whole was killed. */
  | { readonly state: "lost" };

/** Long enough for a busy machine; a node is set up in some 30 ms. */
const setupTimeoutMs = 20_000;
const startTimeoutMs = 10_000;

/**
 * Makes the namespaces of a linux node (its network namespace exists already) and waits until they can be used.
 * Resolves with the process id of the node's first process.
 */
export async function startNode(lab: string, node: PlannedNode, namespace: string): Promise<number> {
  const paths = nodePaths(lab, node.name);
  const setup: NodeSetup = {
    hostName: node.name,
    workDirectory: paths.mount,
    mounts: node.mounts,
    sysctls: node.sysctls,
    hostNamespaces: ["mnt", "uts", "ipc", "pid", "net"].map((kind) => ({
      kind,
      identity: readlinkSync(`/proc/self/ns/${kind}`),
    })),
  };
  const script = setupScript(setup, nearestFolder);
  const log = openSync(paths.setupLog, "w");
  let child: ChildProcess;
  try {
    child = spawn(
      "nsenter",
      [
        `--net=${namespacePath(namespace)}`,
        ...["--", "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"],
        ...["--", "sh", "-c", script],
      ],
      { stdio: ["ignore", log, log, "pipe"], detached: true, env: node.env },
    );
  } finally {
    closeSync(log);
  }
  const isReady = await becomesReady(child);
  const init = isReady ? firstProcess(namespace) : undefined;
  if (init === undefined) {
    const words = readFileSync(paths.setupLog, "utf8").trim();
    if (child.pid !== undefined) signalProcess(child.pid, "SIGKILL");
    throw new LabError("LAB_START_FAILED", `node ${node.name} cannot be set up: ${words || "no reason given"}`, {
      node: node.name,
    });
  }
  child.unref();
  return init;
}

/** Waits for the set-up script's "ready", or its end, or the time limit. */
function becomesReady(child: ChildProcess): Promise<boolean> {
  const channel = child.stdio[3];
  if (!(channel instanceof Readable)) throw new TypeError("the set-up script was started without its channel");
  return new Promise((resolve) => {
    const timer = setTimeout(() => finish(false), setupTimeoutMs);
    const finish = (isReady: boolean) => {
      clearTimeout(timer);
      channel.destroy();
      resolve(isReady);
    };
    let said = "";
    // The end of the channel cannot be waited for: unshare keeps its copy of it as long as the node lives.
    channel.on("data", (chunk: Buffer) => {
      said += chunk.toString();
      if (said === "ready\n") finish(true);
    });
    channel.once("end", () => finish(false));
    channel.once("error", () => finish(false));
    child.once("error", () => finish(false));
  });
}

/** The first process of the node that has this network namespace; undefined if it is not running. */
function firstProcess(namespace: string): number | undefined {
  const candidates = processesInNamespace(namespacePath(namespace));
  return candidates.find((candidate) => candidate.depth > 0 && candidate.innerPid === 1)?.pid;
}

/** The words that run a program inside a node; throws LAB_NODE_NOT_RUNNING if the node is gone. */
export function enterNode(node: NodeState, argv: readonly string[]): string[] {
  const namespace = namespacePath(node.namespace);
  if (node.kind === "bridge") return ["nsenter", `--net=${namespace}`, "--", ...argv];
  const known = node.initPid;
  const init = known !== undefined && isInNamespace(known, namespace) ? known : firstProcess(node.namespace);
  if (init === undefined)
    throw new LabError("LAB_NODE_NOT_RUNNING", `node ${node.name} is not running: its first process is gone`, {
      node: node.name,
    });
  return ["nsenter", `--target=${init}`, "--mount", "--uts", "--ipc", "--net", "--pid", "--", ...argv];
}

/** Starts the main process of a node and resolves with its process id on the host once it runs. */
export async function startMain(lab: string, node: NodeState): Promise<number> {
  const paths = nodePaths(lab, node.name);
  const argv = enterNode(node, ["sh", "-c", mainScript, "sh", ...node.command]);
  const log = openSync(paths.log, "a");
  const pidFile = openSync(paths.mainPid, "w");
  const exitFile = openSync(paths.mainExit, "w");
  try {
    const child = spawn("nsenter", argv.slice(1), {
      stdio: ["ignore", log, log, pidFile, exitFile],
      detached: true,
      env: node.env,
      cwd: "/",
    });
    child.on("error", () => {});
    child.unref();
  } finally {
    for (const descriptor of [log, pidFile, exitFile]) closeSync(descriptor);
  }
  if (!(await waitUntil(() => readNumber(paths.mainPid) !== undefined, startTimeoutMs)))
    throw new LabError("LAB_START_FAILED", `the main process of node ${node.name} does not start; see ${paths.log}`, {
      node: node.name,
    });
  return readNumber(paths.mainPid) ?? 0;
}

/** How the main process of a node is now. */
export function mainState(lab: string, node: NodeState): MainState {
  if (node.command.length === 0) return { state: "none" };
  const paths = nodePaths(lab, node.name);
  const running = mainProcess(lab, node);
  if (running !== undefined) return { state: "running", pid: running.pid };
  const code = readNumber(paths.mainExit);
  return code === undefined ? { state: "lost" } : { state: "exited", code };
}

/** The main process of a node, if it runs. */
export function mainProcess(lab: string, node: NodeState): RunningProcess | undefined {
  const innerPid = readNumber(nodePaths(lab, node.name).mainPid);
  return processesInNamespace(namespacePath(node.namespace)).find(
    (candidate) => candidate.depth > 0 && candidate.innerPid === innerPid,
  );
}

function readNumber(path: string): number | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return /^\d+$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}
