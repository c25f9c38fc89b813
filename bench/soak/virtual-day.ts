import { join } from "node:path";
import { installationRoot } from "../../src/lab/runtime/paths.ts";
import type { CheckReport, ScenarioReport } from "../../test/uml/guest/scenario.ts";
import { compileScenario } from "../../test/uml/support/guest-program.ts";
import { findKernel } from "../../test/uml/support/kernel.ts";
import { runInUml } from "../../test/uml/support/uml-machine.ts";

/** A machine that is this slow does not come to an end. */
const realMinutesPerVirtualHour = 20;
const leastRealMinutes = 20;

/**
 * Lets a virtual day with all its faults pass in a machine of its own (test/uml/soak), and prints what came of each of them.
 * Returns true if everything was as it must be.
 */
export async function soakVirtually(hours: number): Promise<boolean> {
  if (!hasKernel()) {
    console.error(
      "virtual time needs our own user-mode-linux kernel: npm run uml:build (about a quarter of an hour, once)",
    );
    return false;
  }
  const program = compileScenario(join(installationRoot(), "test/uml/soak/day.ts"));
  try {
    const table = new Table();
    const { code, stderr, files } = await runInUml(program.command("/run/uml/output/report.json"), {
      timeoutMs: Math.max(leastRealMinutes, hours * realMinutesPerVirtualHour) * 60_000,
      memoryMiB: 1024,
      workingFolder: installationRoot(),
      kernelArguments: ["time-travel"],
      env: { CALIBIRD_SOAK_HOURS: String(hours) },
      onOutput: (text) => table.hear(text),
    });
    const report = files.get("report.json");
    if (report === undefined) throw new Error(`the guest ended with status ${code} and no report:\n${stderr}`);
    return table.finish(JSON.parse(report.toString("utf8")));
  } finally {
    program.dispose();
  }
}

function hasKernel(): boolean {
  try {
    return findKernel().hasVirtualTime;
  } catch {
    return false;
  }
}

/** One row for each check as it ends, with the time that passed inside and the time that it took here. */
class Table {
  readonly #began = performance.now();
  #rest = "";
  #last = this.#began;

  constructor() {
    console.log("| ok | virtual | real | what |\n|---|---:|---:|---|");
  }

  hear(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("{")) this.#row(JSON.parse(line));
      else console.log(line);
    }
  }

  /** Prints the sums; true if all is well. */
  finish({ startMilliseconds, startFailure, checks, diagnosis }: ScenarioReport): boolean {
    const reports = Object.values(checks);
    const failures = reports.filter(({ failure }) => failure !== undefined).length;
    const virtualMs = reports.reduce((sum, { milliseconds }) => sum + milliseconds, startMilliseconds);
    const text = `${reports.length} checks, ${failures} failed`;
    console.log(`| | ${duration(virtualMs)} | ${duration(performance.now() - this.#began)} | ${text} |`);
    if (startFailure !== undefined) console.log(`it could not be started:\n${startFailure}`);
    if (diagnosis !== undefined) console.log(diagnosis);
    return startFailure === undefined && failures === 0;
  }

  #row({ promise, milliseconds, notes, failure }: CheckReport & { promise: string }): void {
    const now = performance.now();
    const cells = [
      failure === undefined ? "ok" : "FAILED",
      duration(milliseconds),
      duration(now - this.#last),
      promise,
    ];
    this.#last = now;
    console.log(`| ${cells.join(" | ")} |`);
    for (const note of notes) console.log(`    ${note}`);
    if (failure !== undefined) console.log(failure);
  }
}

function duration(milliseconds: number): string {
  const total = Math.round(milliseconds / 1000);
  const two = (number: number) => String(number).padStart(2, "0");
  return `${two(Math.floor(total / 3600))}:${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`;
}
