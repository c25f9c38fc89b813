// What node runs inside the guest: `main.js SCENARIO-MODULE REPORT-FILE`. The module exports `scenario`.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type CheckReport, runScenario, type Scenario } from "./scenario.ts";

const [module = "", reportFile = ""] = process.argv.slice(2);
const { scenario }: { scenario: Scenario<unknown> } = await import(pathToFileURL(module).href);
// A line each, for whoever watches the run.
const tell = (promise: string, report: CheckReport) => console.log(JSON.stringify({ promise, ...report }));
writeFileSync(reportFile, JSON.stringify(await runScenario(scenario, tell)));
// Processes and sockets of the scenario may still be open.
process.exit(0);
