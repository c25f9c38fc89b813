import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Check, Scenario } from "../guest/scenario.ts";
import type { Footprint } from "./agent.ts";
import { SoakCluster } from "./cluster.ts";
import { faults } from "./faults.ts";

/** A round of faults every so often, and nothing in between. */
const hoursPerRound = 12;
/** A quiet time is looked at so often. */
const quietLookHours = 1;
const hour = 3_600_000;

/** What may be more at the end of a quiet time than at its begin: the collector's mood, and nothing that grows by the hour. */
const tolerance: Footprint = { heapMiB: 2, residentMiB: 24, timers: 2, fileDescriptors: 2 };

const hours = Number(process.env.CALIBIRD_SOAK_HOURS ?? "24");

/** A virtual day: rounds of faults with quiet between them. */
export const scenario: Scenario<SoakCluster> = {
  start: () => SoakCluster.start(),
  diagnose: (cluster) => cluster.diagnose(),
  checks: day(),
};

function day(): Record<string, Check<SoakCluster>> {
  const checks: Record<string, Check<SoakCluster>> = {};
  const rounds = Math.max(1, Math.ceil(hours / hoursPerRound));
  for (let round = 1; round <= rounds; round++) {
    for (const { title, run } of faults()) checks[`round ${round}: ${title}`] = run;
    const endHour = Math.min(hours, round * hoursPerRound);
    checks[`round ${round}: nothing happens until hour ${endHour}`] = (cluster, note) =>
      quiet(cluster, endHour * hour, note);
  }
  checks["what the daemons complained about"] = async (cluster, note) => {
    for (const { daemon } of cluster.neighbours)
      for (const line of counted(daemon.complaints())) note(`${daemon.name}: ${line}`);
  };
  return checks;
}

/** Lets the day pass until this time of it. No session ends, and the agent holds in the end what it held in the beginning. */
async function quiet(cluster: SoakCluster, untilMs: number, note: (line: string) => void): Promise<void> {
  await cluster.settled();
  const before = await cluster.agent.footprint();
  note(`in the beginning ${describe(before)}`);
  for (let leftMs = untilMs - performance.now(); leftMs > 0; leftMs = untilMs - performance.now()) {
    await delay(Math.min(leftMs, quietLookHours * hour));
    await cluster.settledWithout([]);
  }
  const after = await cluster.agent.footprint();
  note(`in the end ${describe(after)}`);
  for (const key of ["heapMiB", "residentMiB", "timers", "fileDescriptors"] as const)
    assert.ok(after[key] <= before[key] + tolerance[key], `${key} has grown from ${before[key]} to ${after[key]}`);
}

function describe({ heapMiB, residentMiB, timers, fileDescriptors }: Footprint): string {
  return `heap ${heapMiB.toFixed(1)} MiB, resident ${residentMiB.toFixed(0)} MiB, ${timers} timers, ${fileDescriptors} file descriptors`;
}

/** Lines that differ in nothing but numbers are one, with their count. */
function counted(lines: readonly string[]): string[] {
  const counts = new Map<string, { count: number; line: string }>();
  for (const line of lines) {
    const key = line.replaceAll(/\d+/g, "N");
    counts.set(key, { line, count: (counts.get(key)?.count ?? 0) + 1 });
  }
  return [...counts.values()].map(({ count, line }) => `${count} × ${line}`);
}
