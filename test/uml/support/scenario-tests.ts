import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, it } from "vitest";
import type { CheckReport, Scenario, ScenarioReport } from "../guest/scenario.ts";
import { compileScenario } from "./guest-program.ts";
import { runInUml, type UmlRunOptions } from "./uml-machine.ts";

/** How long a scenario may take, boot included, unless it says otherwise. */
const scenarioTimeoutMs = 180_000;

/**
 * Makes one test of each check of a scenario, and one of its start. All of it runs once, in a machine of its own, before the
 * first of these tests. `module` is the file that exports it as `scenario`.
 */
export function testInUml<World>(
  module: URL,
  scenario: Scenario<World>,
  options: Partial<Omit<UmlRunOptions, "workingFolder">> = {},
): void {
  let report: ScenarioReport;
  beforeAll(async () => {
    const began = performance.now();
    report = await runScenarioInUml(fileURLToPath(module), options);
    console.log(timesOf(report, performance.now() - began));
  });
  afterAll(() => {
    if (report?.diagnosis !== undefined) console.log(report.diagnosis);
  });

  it("starts", () => {
    if (report.startFailure !== undefined) throw failureInGuest(report.startFailure);
  });
  for (const promise of Object.keys(scenario.checks))
    it(promise, () => {
      const check = report.checks[promise];
      if (check === undefined) throw new Error("not run, because the scenario could not be started");
      judge(promise, check);
    });
}

async function runScenarioInUml(module: string, options: Partial<UmlRunOptions>): Promise<ScenarioReport> {
  const program = compileScenario(module);
  try {
    const reportName = "report.json";
    const command = program.command(`/run/uml/output/${reportName}`);
    const { code, stdout, stderr, files } = await runInUml(command, { timeoutMs: scenarioTimeoutMs, ...options });
    const report = files.get(reportName);
    if (report === undefined)
      throw new Error(`the scenario ended with status ${code} and no report:\n${stdout}${stderr}`);
    return JSON.parse(report.toString("utf8"));
  } finally {
    program.dispose();
  }
}

function judge(promise: string, { notes, failure }: CheckReport): void {
  for (const note of notes) console.log(`${promise}: ${note}`);
  if (failure !== undefined) throw failureInGuest(failure);
}

/** The stack of an error in the guest is worth more than one of this line. */
function failureInGuest(stack: string): Error {
  return Object.assign(new Error(stack), { stack });
}

/** Where the time went. The tests themselves only read the report. */
function timesOf(report: ScenarioReport, totalMilliseconds: number): string {
  const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(1)} s`;
  const checks = Object.values(report.checks).map(({ milliseconds }) => seconds(milliseconds));
  return `${seconds(totalMilliseconds)} in all; start ${seconds(report.startMilliseconds)}, checks ${checks.join(", ")}`;
}
