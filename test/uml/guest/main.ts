// What node runs inside the guest: `main.js SCENARIO-MODULE REPORT-FILE`. The module exports `scenario`.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { runScenario, type Scenario } from "./scenario.ts";

const [module = "", reportFile = ""] = process.argv.slice(2);
const { scenario }: { scenario: Scenario<unknown> } = await import(pathToFileURL(module).href);
writeFileSync(reportFile, JSON.stringify(await runScenario(scenario)));
// Processes and sockets of the scenario may still be open.
process.exit(0);
