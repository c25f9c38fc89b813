import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import type { Check, Scenario } from "../guest/scenario.ts";
import type { Footprint } from "./agent.ts";
import { SoakCluster } from "./cluster.ts";
import { faults, ourFaults } from "./faults.ts";

/** Every fault comes once in so much time, at equal intervals; nothing happens in between. */
const hoursPerRound = 24;
const hour = 3_600_000;

/**
 * What may be more at the end of the day: the history of what happened, which has a bound, and code that runs for the first
 * time; nothing that grows by the hour. The same faults in 3, 12 and 24 hours left 2.5 to 2.7 MiB.
 */
const tolerance: Footprint = { heapMiB: 4, residentMiB: 24, timers: 2, fileDescriptors: 2 };

const hours = Number(process.env.CALIBIRD_SOAK_HOURS ?? "24");

/** A virtual day with a fault every now and then. */
export const scenario: Scenario<SoakCluster> = {
  start: () => SoakCluster.start(),
  diagnose: (cluster) => cluster.diagnose(),
  checks: day(),
};

function day(): Record<string, Check<SoakCluster>> {
  const rounds = Math.max(1, Math.round(hours / hoursPerRound));
  const all = Array.from({ length: rounds }, faults).flat();
  const slotMs = (hours * hour) / all.length;
  const checks: Record<string, Check<SoakCluster>> = {};
  let first: Footprint | undefined;
  /** MiB after each fault since our last start. */
  let heap: number[] = [];
  all.forEach(({ title, run }, index) => {
    const beginMs = index * slotMs;
    checks[`${clock(beginMs)} ${title}`] = async (cluster, note) => {
      await quietUntil(cluster, beginMs);
      await run(cluster, note);
      // The agent has been restarted by the faults before.
      const footprint = await cluster.agent.footprint();
      heap.push(footprint.heapMiB);
      if (index % (all.length / rounds) !== ourFaults - 1) return;
      first = footprint;
      heap = [];
    };
  });
  checks[`${clock(hours * hour)} the day ends, and the agent holds what it held after its last start`] = async (
    cluster,
    note,
  ) => {
    await quietUntil(cluster, hours * hour);
    const last = await cluster.agent.footprint();
    assert.ok(first !== undefined, "the agent was never looked at");
    note(`after its last start ${describe(first)}`);
    note(`in the end ${describe(last)}`);
    note(`heap in MiB after each fault: ${heap.map((size) => size.toFixed(1)).join(" ")}`);
    for (const key of ["heapMiB", "residentMiB", "timers", "fileDescriptors"] as const)
      assert.ok(last[key] <= first[key] + tolerance[key], `${key} has grown from ${first[key]} to ${last[key]}`);
  };
  checks["what the daemons complained about"] = async (cluster, note) => {
    for (const { daemon } of cluster.neighbours)
      for (const line of counted(daemon.complaints())) note(`${daemon.name}: ${line}`);
  };
  return checks;
}

/** Lets the day pass until this time of it; no session ends. */
async function quietUntil(cluster: SoakCluster, untilMs: number): Promise<void> {
  const leftMs = untilMs - performance.now();
  if (leftMs <= 0) return;
  await delay(leftMs);
  await cluster.settledWithout([]);
}

function clock(milliseconds: number): string {
  const minutes = Math.round(milliseconds / 60_000);
  return `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;
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
