// node main.js [SCENARIO...] [options]; started by `npm run bench`, which has built everything, in the root of the repository.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { resolve } from "node:path";
import { interruptSignal } from "../src/lab/interrupt.ts";
import { removeAbandonedArenas } from "./arena.ts";
import { ArgumentError, type BenchOptions, helpText, parseArguments } from "./arguments.ts";
import type { Values } from "./bench-program.ts";
import { clusterStores, measureCluster } from "./cluster.ts";
import { compileNative, programsOf } from "./compile.ts";
import { calibirdAgent } from "./contenders/calibird.ts";
import type { Contender } from "./contenders/contender.ts";
import { contendersOf, daemons } from "./contenders/index.ts";
import { goalTable } from "./goals.ts";
import { measureIpam } from "./ipam.ts";
import { busyCores } from "./machine.ts";
import { measure, type RunOptions } from "./measure.ts";
import { measureModeFlip } from "./mode-flip.ts";
import { type Report, type Run, summarize } from "./results.ts";
import {
  cluster,
  ipam,
  modeFlip,
  neighbourScenarios,
  type Scenario,
  scenarios,
  tunnelThroughput,
} from "./scenarios.ts";
import { renderText, tableOf } from "./tables.ts";
import { carriers, measureThroughput } from "./tunnel-throughput.ts";

/** More cores than this taken by others makes times unreliable; processor seconds still hold. */
const quietCores = 0.5;

function readCommandLine(): BenchOptions {
  try {
    return parseArguments(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}

/** The chosen scenario with the chosen contender, once. */
type Bout = {
  readonly scenario: Scenario;
  readonly size: number;
  readonly label: string;
  readonly contender: string;
} & {
  readonly run: (options: RunOptions) => Promise<Values>;
};

/** Scenarios in which calibird takes part alone. */
const ownBouts: Readonly<Record<string, readonly Pick<Bout, "label" | "contender" | "run">[]>> = {
  [modeFlip.name]: [{ label: calibirdAgent.label, contender: calibirdAgent.name, run: measureModeFlip }],
  [cluster.name]: clusterStores.map((store) => ({
    label: store.label,
    contender: calibirdAgent.name,
    run: (options: RunOptions) => measureCluster(store, options),
  })),
  [ipam.name]: clusterStores.map((store) => ({
    label: store.label,
    contender: calibirdAgent.name,
    run: (options: RunOptions) => measureIpam(store, options),
  })),
  [tunnelThroughput.name]: carriers.map((carrier) => ({
    label: carrier.label,
    contender: carrier.name,
    run: (options: RunOptions) => measureThroughput(carrier, options),
  })),
};

function boutsOf(scenario: Scenario, size: number, wanted: readonly Contender[]): Bout[] {
  const played = neighbourScenarios.find(({ name }) => name === scenario.name);
  if (played === undefined) return ownBouts[scenario.name]?.map((bout) => ({ scenario, size, ...bout })) ?? [];
  return contendersOf(scenario, wanted).map((contender) => ({
    scenario,
    size,
    contender: contender.name,
    label: contender.label,
    run: (options) => measure(played, contender, options),
  }));
}

async function carryOut(bout: Bout, round: number, options: RunOptions): Promise<Run> {
  const { scenario, size, contender, label } = bout;
  const busy = await busyCores(200);
  const head = { scenario: scenario.name, size, contender, label, round, busy };
  try {
    return { ...head, values: await bout.run(options) };
  } catch (error) {
    options.signal.throwIfAborted();
    return { ...head, values: {}, error: error instanceof Error ? error.message : String(error) };
  }
}

function versionOf({ version }: Contender): string {
  const [program = "", ...argv] = version ?? [];
  const { stdout, stderr } = spawnSync(program, argv, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`.split("\n")[0] || "unknown";
}

const options = readCommandLine();
if (options.help) {
  process.stdout.write(helpText());
  process.exit(0);
}
const root = process.cwd();
const say = (text: string): void => {
  (options.json === "-" ? process.stderr : process.stdout).write(`${text}\n`);
};
const signal = interruptSignal({ ignoresReader: true });
const wanted = daemons.filter(({ name }) => options.peers?.includes(name));
const programs = {
  ...programsOf(root),
  nodeOptions: options.profile === undefined ? [] : ["--cpu-prof", "--cpu-prof-dir", resolve(options.profile)],
};
compileNative(root, programs.native);
removeAbandonedArenas();

const started = new Date();
const runs: Run[] = [];
try {
  for (const scenario of scenarios.filter(({ name }) => options.scenarios.includes(name)))
    for (const size of options.sizes ?? scenario.sizes) {
      const bouts = boutsOf(scenario, size, wanted);
      if (bouts.length === 0) continue;
      say(`\n${scenario.name}, ${size.toLocaleString("en")} ${scenario.sizeName}: ${scenario.about}`);
      // In turn, so that what else the machine does hits all alike.
      for (let round = 1; round <= options.rounds; round++)
        for (const bout of bouts) {
          const run = await carryOut(bout, round, { programs, size, seconds: options.seconds, signal });
          runs.push(run);
          if (run.error !== undefined) say(`  ${run.label}: ${run.error}`);
        }
      for (const table of summarize(runs))
        if (table.scenario === scenario.name && table.size === size) say(renderText(tableOf(scenario, table)));
    }
} catch (error) {
  if (!signal.aborted) throw error;
  say("interrupted; everything is removed");
  process.exitCode = 130;
}

const reached = goalTable(summarize(runs));
if (reached.length > 1) say(`\nGoals:\n${renderText(reached)}`);
const busiest = Math.max(0, ...runs.map(({ busy }) => busy), ...runs.flatMap(({ values }) => noises(values)));
say(
  busiest > quietCores
    ? `\nOthers took up to ${busiest.toFixed(1)} of ${cpus().length} cores meanwhile: compare CPU seconds, or run again on a quiet machine.`
    : "\nThe machine was quiet.",
);
const report: Report = {
  startedAt: started.toISOString(),
  machine: {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    kernel: release(),
    node: process.versions.node,
  },
  versions: Object.fromEntries(wanted.map((daemon) => [daemon.name, versionOf(daemon)])),
  runs,
};
if (options.json === "-") process.stdout.write(`${JSON.stringify(report, null, 1)}\n`);
else if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
if (runs.some(({ error }) => error !== undefined)) process.exitCode ??= 1;

/** Cores that others used during a run's phases. */
function noises(values: Values): number[] {
  return Object.entries(values).flatMap(([key, value]) => (key.endsWith("_noise") ? [value] : []));
}
