import { existsSync, rmSync } from "node:fs";
import { LabError } from "../errors.ts";
import { labPaths, namespacePath } from "./paths.ts";
import { processesInNamespace, signalProcess, waitUntil } from "./processes.ts";
import { runProgram } from "./run-program.ts";
import { type LabState, readState } from "./state.ts";

/** The kernel ends killed processes at once unless they hang in it. */
const killTimeoutMs = 10_000;

/**
 * Removes a lab: its processes, namespaces, devices and files. Nothing is assumed of how far its start came, so this also
 * clears up after a crash. Resolves with false if there was nothing to remove.
 */
export async function removeLab(name: string): Promise<boolean> {
  const state = readState(name);
  const paths = labPaths(name);
  if (state !== undefined) await removeNodes(state);
  const existed = existsSync(paths.root);
  rmSync(paths.root, { recursive: true, force: true });
  return existed;
}

async function removeNodes(state: LabState): Promise<void> {
  const namespaces = state.nodes.map((node) => node.namespace);
  // Whoever is in a node's network namespace belongs to the node. Its other namespaces, mounts and devices go with them.
  const allGone = await waitUntil(() => {
    const members = namespaces.flatMap((namespace) => processesInNamespace(namespacePath(namespace)));
    for (const member of members) if (member.pid !== process.pid) signalProcess(member.pid, "SIGKILL");
    return members.every((member) => member.pid === process.pid);
  }, killTimeoutMs);
  if (!allGone)
    throw new LabError("LAB_REMOVE_FAILED", `processes of lab ${state.name} do not end; see calibird lab status`, {
      lab: state.name,
    });
  const failures: string[] = [];
  for (const namespace of namespaces) {
    if (!existsSync(namespacePath(namespace))) continue;
    const { code, stderr } = await runProgram(["ip", "netns", "delete", namespace]);
    // A file without a namespace behind it is what a crash between its creation and its mount leaves.
    if (code !== 0 && existsSync(namespacePath(namespace))) rmSync(namespacePath(namespace), { force: true });
    if (existsSync(namespacePath(namespace))) failures.push(`${namespace}: ${stderr.trim()}`);
  }
  if (failures.length > 0)
    throw new LabError("LAB_REMOVE_FAILED", `network namespaces cannot be removed: ${failures.join("; ")}`, {
      lab: state.name,
    });
}
