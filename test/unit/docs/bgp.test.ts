import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { decisionOptions } from "../../../src/agent/config/bgp-settings.ts";
import { stepsAfterMed, stepsBeforeMed, tieBreakers } from "../../../src/bgp/rib/decision-steps.ts";

const text = readFileSync(new URL("../../../docs/bgp.md", import.meta.url), "utf8");

describe("docs/bgp.md", () => {
  it("names the steps of the decision process in their order", () => {
    const documented = [...text.matchAll(/^\| \d+ \| `([a-z-]+)` \|/gm)].map((match) => match[1]);
    const steps = [...stepsBeforeMed, { rule: "med" }, ...stepsAfterMed, ...tieBreakers].map(({ rule }) => rule);
    expect(documented).toEqual(["next-hop", ...steps]);
  });

  it("lists options of the decision process that exist", () => {
    const [, table = ""] = /## Options\n([^#]*)/.exec(text) ?? [];
    const words = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap((match) =>
      [...(match[1] ?? "").matchAll(/`([^`]+)`/g)].map((word) => word[1] ?? ""),
    );
    expect(words).toHaveLength(9);
    for (const word of words) expect(() => decisionOptions(word.replace("=N", "=4")), word).not.toThrow();
  });
});
