import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildArena } from "./arena.ts";
import type { Contender, Programs } from "./contenders/contender.ts";
import { NamespaceProcess } from "./processes.ts";
import type { NeighbourScenario } from "./scenarios.ts";
import { Scope } from "./scope.ts";

/** What one run has reported; keys as in the scenario's columns. */
export type Values = Readonly<Record<string, number>>;

export interface RunOptions {
  readonly programs: Programs;
  readonly size: number;
  /** For scenarios that last as long as one wants. */
  readonly seconds: number;
  readonly signal: AbortSignal;
}

/** Runs one contender through one scenario, in namespaces of their own. Throws with the reason if that cannot be done. */
export async function measure(
  scenario: NeighbourScenario,
  contender: Contender,
  { programs, size, seconds, signal }: RunOptions,
): Promise<Values> {
  const scope = new Scope();
  try {
    const folder = makeFolder(scope);
    const neighbours = scenario.neighbours(size);
    const arena = buildArena(scope, neighbours);
    const toKernel = scenario.name === "to-kernel";
    const launch = contender.launch({ neighbours, toKernel, size, folder, programs });
    for (const [name, text] of Object.entries(launch.files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
    // FRR reads its files as a user of its own.
    if (contender.name === "frr") for (const name of Object.keys(launch.files)) chmodSync(join(folder, name), 0o644);
    await launch.prepare?.();
    const measured: NamespaceProcess[] = [];
    for (const [index, { command, readyFile, measured: counts }] of launch.processes.entries()) {
      signal.throwIfAborted();
      const process = new NamespaceProcess(scope, arena.tested, command, join(folder, `output.${index}`));
      if (readyFile !== undefined) await process.awaitFile(join(folder, readyFile));
      else if (launch.listens) await process.awaitListening();
      else await process.awaitOutput("ready");
      if (counts) measured.push(process);
    }
    const options = [
      ...["--pids", measured.flatMap((process) => process.processIds()).join(",")],
      ...["--namespace", `/run/netns/${arena.tested}`],
      ...(launch.listens ? [] : ["--writer"]),
      // A relay that reads nothing knows no withdrawals.
      ...(contender.name === "null-relay" ? ["--announce-only"] : []),
      ...scenario.options(size, seconds),
    ];
    return await playNeighbours(arena.outside, programs, [scenario.name, ...options], signal);
  } finally {
    await scope.close();
  }
}

/** A folder that goes with the scope, and that daemons which change their user may enter and write to. */
function makeFolder(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), "calibird-bench-"));
  chmodSync(folder, 0o777);
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function playNeighbours(
  namespace: string,
  programs: Programs,
  argv: readonly string[],
  signal: AbortSignal,
): Promise<Values> {
  const child = spawn("ip", ["netns", "exec", namespace, join(programs.native, "neighbours"), ...argv], { signal });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    errors += text;
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (status !== 0)
    throw new Error(errors.trim().split("\n").slice(-2).join(" | ") || `neighbours ended with ${status}`);
  return readValues(output);
}

/** The numbers of the object that the program prints. Throws if something else came. */
export function readValues(output: string): Values {
  const parsed: unknown = JSON.parse(output);
  if (typeof parsed !== "object" || parsed === null) throw new Error(`not an object: ${output.slice(0, 100)}`);
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([key, value]) => (typeof value === "number" ? [[key, value] as const] : [])),
  );
}
