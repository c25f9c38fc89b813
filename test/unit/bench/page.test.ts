import { describe, expect, it } from "vitest";
import { renderResults, withResults } from "../../../bench/page.ts";
import type { Report, Run } from "../../../bench/results.ts";

function report(runs: readonly Partial<Run>[], day = "2026-01-02"): Report {
  const common = { scenario: "to-kernel", size: 100, round: 1, busy: 0, values: {} };
  return {
    startedAt: `${day}T10:00:00Z`,
    machine: { processor: "CPU", cores: 2, kernel: "6.1", node: "20.0.0" },
    versions: { bird: "BIRD version 2.0" },
    runs: runs.map((run) => ({ ...common, contender: "bird", label: "BIRD", ...run })),
  };
}

describe("the page of results", () => {
  it("has a section for each measured scenario, in the order of the benchmark", () => {
    const text = renderResults([
      report([{ values: { install_s: 2 } }, { scenario: "churn", values: { changes_p99_ms: 1 } }]),
    ]);
    expect(text.match(/^### .*/gm)).toEqual(["### churn", "### to-kernel"]);
    expect(text).toContain("Measured on 2026-01-02: CPU, 2 cores, Linux 6.1, Node.js 20.0.0; BIRD 2.0.");
    expect(text).toContain("| BIRD | 2.00 |");
  });

  it("says how often it was measured, and whether others were at work", () => {
    const runs = [{ values: { install_s: 2 } }, { values: { install_s: 4 }, round: 2, busy: 1.26 }];
    expect(renderResults([report(runs)])).toContain("medians of 2 rounds, others took up to 1.3 cores:");
    expect(renderResults([report(runs.slice(0, 1))])).toContain("one round, on a quiet machine:");
  });

  it("takes a later report of the same scenario and size instead of an earlier one", () => {
    const text = renderResults([
      report([{ values: { install_s: 2 } }, { size: 200, values: { install_s: 3 } }]),
      report([{ values: { install_s: 7 } }], "2026-01-03"),
    ]);
    expect(text).not.toContain("| BIRD | 2.00 |");
    expect(text).toContain("| BIRD | 7.00 |");
    expect(text).toContain("| BIRD | 3.00 |");
  });

  it("keeps what stands around the results", () => {
    const page = "# Title\n\n<!-- results: written by bench/write-page.ts -->\nold\n<!-- end of results -->\n\nEnd\n";
    const written = withResults(page, [report([{ values: { install_s: 2 } }])]);
    expect(written).toMatch(/^# Title\n\n<!-- results/);
    expect(written).toMatch(/<!-- end of results -->\n\nEnd\n$/);
    expect(written).not.toContain("old");
    expect(withResults(written, [report([{ values: { install_s: 2 } }])])).toBe(written);
  });

  it("is refused without a place for the results", () => {
    expect(() => withResults("# Title\n", [])).toThrow("the page needs the lines");
  });
});
