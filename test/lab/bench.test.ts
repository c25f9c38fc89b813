import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clusterStores, measureCluster } from "../../bench/cluster.ts";
import { compileNative, programsOf } from "../../bench/compile.ts";
import type { Programs } from "../../bench/contenders/contender.ts";
import { contendersOf, daemons } from "../../bench/contenders/index.ts";
import { measureIpam } from "../../bench/ipam.ts";
import { measure, type RunOptions } from "../../bench/measure.ts";
import { measureModeFlip } from "../../bench/mode-flip.ts";
import { cluster, ipam, modeFlip, neighbourScenarios, type Scenario, tunnelThroughput } from "../../bench/scenarios.ts";
import { carriers, measureThroughput } from "../../bench/tunnel-throughput.ts";

let programs: Programs;

beforeAll(() => {
  const native = mkdtempSync(join(tmpdir(), "calibird-bench-native-"));
  programs = { ...programsOf(process.cwd()), native };
  compileNative(process.cwd(), native);
});
afterAll(() => rmSync(programs.native, { recursive: true, force: true }));

/** Small enough for a moment, and for all of them at the same time. */
const smallSizes: Readonly<Record<string, number>> = {
  "full-table": 500,
  reflector: 4,
  "switch-over": 500,
  "mesh-node": 4,
  connect: 4,
  churn: 500,
  stalls: 500,
  memory: 1,
  "to-kernel": 500,
};

function optionsFor(size: number): RunOptions {
  return { programs, size, seconds: 1, prefixes: 500, signal: new AbortController().signal };
}

/** Values of a run that a table shows; what is not measured there is missing. */
function shown(scenario: Scenario, values: Readonly<Record<string, number>>): string[] {
  return scenario.columns.map(({ key }) => key).filter((key) => values[key] !== undefined);
}

/** What the relay, which reads nothing, is not asked for. */
const beyondRelays = /^(withdraw|one_route|leave)_/;

describe("the benchmark measures, side by side,", () => {
  const bird = daemons.filter(({ name }) => name === "bird");
  const bouts = neighbourScenarios.flatMap((scenario) =>
    contendersOf(scenario, bird).map((contender) => ({
      scenario,
      contender,
      name: scenario.name,
      who: contender.label,
    })),
  );

  it.concurrent.for(bouts)("$name with $who", async ({ scenario, contender }, context) => {
    const values = await measure(scenario, contender, optionsFor(smallSizes[scenario.name] ?? 1));
    const wanted = scenario.columns.map(({ key }) => key);
    context
      .expect(shown(scenario, values))
      .toEqual(contender.name === "null-relay" ? wanted.filter((key) => !beyondRelays.test(key)) : wanted);
  });

  it.concurrent("a mode flip, in which no ping is lost", async (context) => {
    const values = await measureModeFlip(optionsFor(200));
    context.expect(shown(modeFlip, values)).toEqual(modeFlip.columns.map(({ key }) => key));
    context.expect(values).toMatchObject({ lost: 0 });
  });

  it.concurrent.for(clusterStores)(
    "a large cluster with $label, in which an edit reaches all",
    async (store, context) => {
      const values = await measureCluster(store, optionsFor(10));
      context.expect(shown(cluster, values)).toEqual(cluster.columns.map(({ key }) => key));
    },
  );

  it.concurrent.for(clusterStores)(
    "addresses with $label, all of which the check finds in use",
    async (store, context) => {
      const values = await measureIpam(store, optionsFor(128));
      context.expect(shown(ipam, values)).toEqual(ipam.columns.map(({ key }) => key));
    },
  );

  it.concurrent.for(carriers)("the throughput of $label", async (carrier, context) => {
    const values = await measureThroughput(carrier, optionsFor(1));
    context.expect(shown(tunnelThroughput, values)).toEqual(tunnelThroughput.columns.map(({ key }) => key));
    context.expect(values.gbit_s).toBeGreaterThan(0);
  });
});

it("every scenario has a small size here", () => {
  expect(Object.keys(smallSizes)).toEqual(neighbourScenarios.map(({ name }) => name));
});
