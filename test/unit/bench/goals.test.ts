import { describe, expect, it } from "vitest";
import { goalTable } from "../../../bench/goals.ts";
import { type Run, summarize } from "../../../bench/results.ts";
import { renderText } from "../../../bench/tables.ts";

function run(scenario: string, size: number, contender: string, values: Run["values"]): Run {
  return { scenario, size, contender, label: contender, round: 1, busy: 0, values };
}

function lines(runs: readonly Run[]): string[] {
  return renderText(goalTable(summarize(runs)))
    .split("\n")
    .slice(1);
}

describe("the goals", () => {
  it("say of what was measured whether it is reached, near or missed", () => {
    const runs = [
      run("full-table", 10, "calibird", { announce_s: 0.3, announce_settled_cpu_s: 0.4, announce_peak_mib: 200 }),
      run("full-table", 10, "bird", { announce_s: 1, announce_settled_cpu_s: 1, announce_peak_mib: 100 }),
    ];
    expect(lines(runs)).toEqual([
      "full-table 10: time / BIRD    0.35 x   0.50 x  0.30 x  reached",
      "full-table 10: CPU / BIRD     0.35 x   0.50 x  0.40 x     near",
      "full-table 10: memory / BIRD  1.00 x   1.25 x  2.00 x   missed",
    ]);
  });

  it("compare with the best daemon and with BIRD, whichever was promised", () => {
    const runs = [
      run("reflector", 10, "calibird", { all_to_all_s: 0.1 }),
      run("reflector", 10, "bird", { all_to_all_s: 1 }),
      run("reflector", 10, "frr", { all_to_all_s: 0.2 }),
    ];
    expect(lines(runs)).toEqual([
      "reflector 10: time / best daemon  0.35 x   0.70 x  0.50 x    near",
      "reflector 10: time / BIRD         0.07 x           0.10 x  missed",
    ]);
  });

  it("that are seconds need nobody to compare with, and count for their size only", () => {
    const values = { connect_s: 0.19 };
    expect(lines([run("connect", 500, "calibird", values), run("connect", 4, "calibird", values)])).toEqual([
      "connect 500: all up, s    0.20     1.00  0.19  reached",
    ]);
  });

  it("are silent about what was not measured", () => {
    expect(lines([run("full-table", 10, "calibird", { announce_s: 0.3 })])).toEqual([]);
  });
});
