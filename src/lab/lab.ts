import { readFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { errorMessage } from "../core/errors.ts";
import { LabError } from "./errors.ts";
import { enterNode, type MainState, mainProcess, mainState, startMain } from "./runtime/node.ts";
import { downCommand, nodePaths } from "./runtime/paths.ts";
import { type LabPlan, planLab } from "./runtime/plan.ts";
import { isAlive, signalProcess, waitUntil } from "./runtime/processes.ts";
import { removeLab } from "./runtime/remove.ts";
import { type ProgramResult, type RunOptions, runInteractively, runProgram } from "./runtime/run-program.ts";
import { startLab } from "./runtime/start.ts";
import { type LabState, type NodeState, readState, writeState } from "./runtime/state.ts";
import { formatRemark } from "./topology/problem.ts";
import { isLabName, parseTopology } from "./topology/topology.ts";

/** How to bring a lab up. */
export interface LabUpOptions {
  /** The topology file. */
  readonly file: string;
  /** Instead of the file's name, so that one file can be up several times. */
  readonly name?: string;
  /** Removes a lab of the same name first, instead of refusing. */
  readonly reconfigure?: boolean;
  /** Takes one line of progress at a time. */
  readonly report?: (line: string) => void;
  /** Stops the start; what was made is removed and LAB_INTERRUPTED thrown. */
  readonly signal?: AbortSignal;
}

/** One `exec` command of the file and how it ended. */
export interface ExecReport extends ProgramResult {
  readonly node: string;
  /** As written in the file. */
  readonly command: string;
}

/** A node as the lab's user sees it. */
export interface LabNodeView {
  readonly name: string;
  readonly kind: "linux" | "bridge";
  /** For `ip netns exec`. */
  readonly networkNamespace: string;
  /** The node's /run/calibird on the host, for `calictl --run-dir`. */
  readonly runDirectory: string;
  /** Output of the main process. */
  readonly log: string;
}

/** A node and how its main process is. */
export interface LabNodeStatus extends LabNodeView {
  readonly main: MainState;
}

const killTimeoutMs = 10_000;

/** A lab that is up: nodes in namespaces of this machine. It lives on when the process that started it ends. */
export class Lab {
  readonly name: string;
  /** Absolute path of the topology file. */
  readonly file: string;
  readonly nodes: readonly LabNodeView[];
  /** The file's `exec` commands, in the order of their nodes; empty for a lab that another process has started. */
  readonly execReports: readonly ExecReport[];
  readonly #states: ReadonlyMap<string, NodeState>;

  private constructor(state: LabState, execReports: readonly ExecReport[]) {
    this.name = state.name;
    this.file = state.file;
    this.execReports = execReports;
    this.#states = new Map(state.nodes.map((node) => [node.name, node]));
    this.nodes = state.nodes.map(({ name, kind, namespace }) => {
      const paths = nodePaths(state.name, name);
      return { name, kind, networkNamespace: namespace, runDirectory: paths.run, log: paths.log };
    });
  }

  /**
   * Brings up the lab of a file and resolves when all links are up, all main processes have been started and all `exec`
   * commands have run; a command that fails is reported in `execReports` and stops nothing. Everything else that fails is
   * thrown, after what had been made was removed again: TopologyError, LAB_ALREADY_UP, LAB_START_FAILED, LAB_UNSUPPORTED,
   * LAB_INTERRUPTED.
   */
  static async up(options: LabUpOptions): Promise<Lab> {
    const report = options.report ?? (() => {});
    const plan = readPlan(options, report);
    const existing = readState(plan.name);
    if (existing !== undefined && options.reconfigure !== true) throw alreadyUp(existing);
    if (existing !== undefined) {
      report(`removing the lab ${plan.name} that is up`);
      await removeLab(plan.name);
    }
    const state = await startLab(plan, report, options.signal);
    try {
      const execReports = await runExecCommands(plan, state, report, options.signal);
      writeState({ ...state, phase: "up" });
      return new Lab(state, execReports);
    } catch (error) {
      await removeLab(plan.name);
      throw error;
    }
  }

  /** The lab of this name that is up, whoever started it; throws LAB_NOT_UP. */
  static attach(name: string): Lab {
    const state = readState(name);
    if (state === undefined) throw new LabError("LAB_NOT_UP", `no lab named ${name} is up`, { name });
    return new Lab(state, []);
  }

  /** Removes the lab of this name and whatever a crash left of it; false if there was nothing. */
  static remove(name: string): Promise<boolean> {
    return removeLab(name);
  }

  /** Runs a program inside a node, as one of the node's processes. */
  async exec(node: string, argv: readonly string[], options: Omit<RunOptions, "env"> = {}): Promise<ProgramResult> {
    const state = this.#node(node);
    return runProgram(enterNode(state, argv), { ...options, env: state.env });
  }

  /** Runs a program inside a node on this process's own terminal; resolves with its exit status. */
  async execInteractively(node: string, argv: readonly string[]): Promise<number> {
    const state = this.#node(node);
    return runInteractively(enterNode(state, argv), { ...state.env, TERM: process.env.TERM ?? "dumb" });
  }

  /** How every node's main process is now. */
  status(): LabNodeStatus[] {
    return this.nodes.map((node) => ({ ...node, main: mainState(this.name, this.#node(node.name)) }));
  }

  /** Sends a signal to a node's main process and, if it is SIGKILL, waits until the process is gone. */
  async killNode(name: string, signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const state = this.#linuxNode(name);
    const running = mainProcess(this.name, state);
    if (running === undefined)
      throw new LabError("LAB_NODE_NOT_RUNNING", `the main process of node ${name} is not running`, { node: name });
    signalProcess(running.pid, signal);
    if (signal !== "SIGKILL") return;
    await waitUntil(() => !isAlive(running.pid) && mainState(this.name, state).state === "exited", killTimeoutMs);
  }

  /** Starts a node's main process again after it has ended. */
  async startNode(name: string): Promise<void> {
    const state = this.#linuxNode(name);
    if (mainProcess(this.name, state) !== undefined)
      throw new LabError("LAB_NODE_RUNNING", `the main process of node ${name} is running already`, { node: name });
    await startMain(this.name, state);
  }

  /** Removes the lab; a second call does nothing. */
  async down(): Promise<void> {
    await removeLab(this.name);
  }

  #node(name: string): NodeState {
    const found = this.#states.get(name);
    if (found !== undefined) return found;
    const known = [...this.#states.keys()].join(", ");
    throw new LabError("LAB_NODE_UNKNOWN", `lab ${this.name} has no node ${name}; it has ${known}`, { node: name });
  }

  #linuxNode(name: string): NodeState {
    const found = this.#node(name);
    if (found.command.length > 0) return found;
    throw new LabError("LAB_NODE_UNKNOWN", `node ${name} has no cmd, so it has no main process`, { node: name });
  }
}

function readPlan(options: LabUpOptions, report: (line: string) => void): LabPlan {
  const file = resolve(options.file);
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw new LabError("LAB_START_FAILED", `the topology file cannot be read: ${errorMessage(error)}`, { file }, error);
  }
  const topology = parseTopology(text, options.file);
  const name = options.name ?? topology.name;
  if (!isLabName(name))
    throw new LabError(
      "LAB_START_FAILED",
      `"${name}" cannot be the name of a lab; use up to 32 letters, digits and -`,
      {
        name,
      },
    );
  for (const notice of topology.notices) report(formatRemark(basename(file), notice));
  const plan = planLab(topology, file, name);
  for (const { node, program } of plan.skipped) report(`without node ${node}: ${program} is not installed`);
  return plan;
}

function alreadyUp(state: LabState): LabError {
  const start = downCommand(state);
  const message =
    state.phase === "up"
      ? `lab ${state.name} is up since ${state.startedAt}; remove it with "${start}", or use --reconfigure`
      : isAlive(state.ownerPid)
        ? `lab ${state.name} is being started by process ${state.ownerPid}`
        : `a start of lab ${state.name} was interrupted at ${state.startedAt}; remove what it left with "${start}"`;
  return new LabError("LAB_ALREADY_UP", message, { name: state.name });
}

/** Runs the nodes' commands at the same time, each node's one after the other, as containerlab does. */
async function runExecCommands(
  plan: LabPlan,
  state: LabState,
  report: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<ExecReport[]> {
  const perNode = await Promise.all(
    plan.nodes.map(async (node) => {
      const reports: ExecReport[] = [];
      const nodeState = state.nodes.find((candidate) => candidate.name === node.name);
      if (nodeState === undefined) return reports;
      for (const command of node.exec) {
        const result = await runProgram(enterNode(nodeState, command.argv), {
          env: nodeState.env,
          ...(signal === undefined ? {} : { signal }),
        });
        report(formatExec(node.name, command.text, result));
        reports.push({ node: node.name, command: command.text, ...result });
      }
      return reports;
    }),
  );
  return perNode.flat();
}

function formatExec(node: string, command: string, result: ProgramResult): string {
  const output = `${result.stdout}${result.stderr}`.trimEnd();
  const ending = result.code === 0 ? "" : ` FAILED with status ${result.code}`;
  return `${node}: ${command}${ending}${output === "" ? "" : `\n${output.replaceAll(/^/gm, "  ")}`}`;
}
