import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { LabError } from "../errors.ts";
import { isLabName } from "../topology/topology.ts";
import { labPaths } from "./paths.ts";

/** A node of a lab that is up. */
export interface NodeState {
  readonly name: string;
  readonly kind: "linux" | "bridge";
  /** Name of its network namespace below /run/netns. */
  readonly namespace: string;
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** First process of a linux node, as the host counts; unknown until it has been started. */
  readonly initPid?: number;
}

/** What other processes must know of a lab; written before the first namespace is made. */
export interface LabState {
  readonly format: 1;
  readonly name: string;
  /** Absolute path of the topology file. */
  readonly file: string;
  readonly phase: "starting" | "up";
  /** The process that started it. */
  readonly ownerPid: number;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly nodes: readonly NodeState[];
}

/** The state of a lab; undefined if there is none. Throws if the file is not one of ours. */
export function readState(lab: string): LabState | undefined {
  const file = labPaths(lab).stateFile;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (isLabState(value) && value.name === lab) return value;
  throw new LabError("LAB_REMOVE_FAILED", `${file} is not the state of a lab; look what it is, and remove it`, {
    file,
  });
}

/** Writes the state so that a reader sees the old or the new one, never half of it. */
export function writeState(state: LabState): void {
  const paths = labPaths(state.name);
  mkdirSync(paths.root, { recursive: true });
  writeFileSync(`${paths.stateFile}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${paths.stateFile}.new`, paths.stateFile);
}

/** The names and ids in it decide what is killed and removed, so they are looked at closely. */
function isLabState(value: unknown): value is LabState {
  if (!isRecord(value) || value.format !== 1 || typeof value.name !== "string" || !isLabName(value.name)) return false;
  const { name, nodes } = value;
  return (
    typeof value.file === "string" &&
    (value.phase === "starting" || value.phase === "up") &&
    typeof value.ownerPid === "number" &&
    typeof value.startedAt === "string" &&
    Array.isArray(nodes) &&
    nodes.every((node) => isNodeState(node, name))
  );
}

function isNodeState(value: unknown, lab: string): value is NodeState {
  return (
    isRecord(value) &&
    typeof value.name === "string" &&
    isLabName(value.name) &&
    (value.kind === "linux" || value.kind === "bridge") &&
    value.namespace === `clab-${lab}-${value.name}` &&
    Array.isArray(value.command) &&
    isRecord(value.env) &&
    (value.initPid === undefined || typeof value.initPid === "number")
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
