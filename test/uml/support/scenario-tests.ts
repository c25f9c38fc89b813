import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
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
    report = await runScenarioInUml(fileURLToPath(module), options);
  });
  afterAll(() => {
    if (report?.diagnosis !== undefined) console.log(report.diagnosis);
  });

  it("starts", ({ annotate }) => {
    expect(report.startFailure ?? "").toBe("");
    return annotate(`${report.startMilliseconds} ms`);
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
  // The stack of an error in the guest is worth more than one of this line.
  if (failure !== undefined) throw Object.assign(new Error(failure), { stack: failure });
}
