import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Programs } from "./contenders/contender.ts";

/** The C programs and their sources. */
const native = {
  neighbours: [
    ...[
      "main",
      "scenario-table",
      "scenario-churn",
      "scenario-stalls",
      "scenario-clients",
      "scenario-kernel",
      "scenario-cluster",
      "session",
      "gauges",
    ],
    ...["fib-monitor", "prober", "encode", "table", "base"],
  ],
  "null-relay": ["null-relay", "encode", "table", "base"],
  "kernel-writer": ["kernel-writer", "table", "base"],
};

/** Where everything is in a repository that `npm run bench` has built. */
export function programsOf(root: string): Programs {
  const built = join(root, "dist-bench");
  return {
    native: join(built, "native"),
    agent: join(root, "dist/bin/calibird.js"),
    speaker: join(built, "bench/contenders/speaker.js"),
    clusterWriter: join(built, "bench/cluster-writer.js"),
    ipam: join(built, "bench/ipam-program.js"),
    nodeOptions: [],
  };
}

/** The program that plays all neighbours of the speaker that is measured. */
export function neighboursOf(programs: Programs): string {
  return join(programs.native, "neighbours");
}

/** Compiles the C programs into a folder. Throws if the compiler refuses. */
export function compileNative(root: string, target: string): void {
  mkdirSync(target, { recursive: true });
  for (const [program, sources] of Object.entries(native)) {
    const files = sources.map((name) => join(root, "bench/c", `${name}.c`));
    execFileSync("gcc", ["-O2", "-pthread", "-Wall", "-Wextra", "-o", join(target, program), ...files], {
      stdio: "inherit",
    });
  }
}
