import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildArena } from "./arena.ts";
import { BenchProgram, type Values } from "./bench-program.ts";
import { neighboursOf } from "./compile.ts";
import type { Contender, Programs } from "./contenders/contender.ts";
import { NamespaceProcess } from "./processes.ts";
import type { Limits, NeighbourScenario } from "./scenarios.ts";
import { Scope } from "./scope.ts";

export interface RunOptions extends Limits {
  readonly programs: Programs;
  readonly size: number;
  readonly signal: AbortSignal;
}

/** Runs one contender through one scenario, in namespaces of their own. Throws with the reason if that cannot be done. */
export async function measure(
  scenario: NeighbourScenario,
  contender: Contender,
  { programs, size, signal, ...limits }: RunOptions,
): Promise<Values> {
  const scope = new Scope();
  try {
    const folder = makeFolder(scope);
    const neighbours = scenario.neighbours(size);
    const arena = buildArena(scope, neighbours, { hasGateway: scenario.product === "speaker" });
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
      ...scenario.options(size, limits),
    ];
    const played = new BenchProgram(arena.outside, [neighboursOf(programs), scenario.name, ...options], signal);
    scope.defer(() => played.end());
    return await played.result();
  } finally {
    await scope.close();
  }
}

/** A folder that goes with the scope, and that daemons which change their user may enter and write to. */
export function makeFolder(scope: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), "calibird-bench-"));
  chmodSync(folder, 0o777);
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
