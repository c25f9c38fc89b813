import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { kinds, type ResourceKind, resourceKinds } from "../../../src/resources/kinds.ts";
import { parseManifest } from "../../../src/resources/manifest.ts";
import { objectSchemas } from "../../../src/resources/resource.ts";
import { compileSelector } from "../../../src/resources/selector.ts";

const page = readFileSync(new URL("../../../docs/resources.md", import.meta.url), "utf8");

function rowOf(kind: ResourceKind): string {
  const { plural, aliases, namespaced, keptForCalico, readOnly } = kinds[kind];
  const names = [...new Set([plural, ...aliases])].join(" ");
  const effect = `${keptForCalico === true ? "keeps" : "acts"}${readOnly === true ? ", read only" : ""}`;
  return `| ${kind} | ${names} | ${namespaced ? "namespace" : "cluster"} | ${effect} |`;
}

describe("docs/resources.md", () => {
  test("has every kind with its names and what calibird makes of it", () => {
    const rows = page.split("\n").filter((line) => /^\| [A-Z]\w+ \| /.test(line));
    expect(rows).toEqual(resourceKinds.map(rowOf));
  });

  test.each(resourceKinds)("has a section on %s", (kind) => {
    expect(page).toMatch(new RegExp(`^### .*\\b${kind}\\b`, "m"));
  });

  test.each(resourceKinds)("says the same of %s as calictl explain", (kind) => {
    expect(/calibird's own agents do nothing/.test(objectSchemas[kind].description ?? "")).toBe(
      kinds[kind].keptForCalico === true,
    );
  });

  test("shows objects that are valid, and selectors that parse", async () => {
    const examples = [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text = ""]) => text);
    expect(examples.length).toBeGreaterThan(0);
    for (const text of examples) await parseManifest(text, { file: "resources.md", defaultNamespace: "default" });
    const selectors = /## Selectors.*?```\n(.*?)```/s.exec(page)?.[1]?.split(/\s{4,}|\n/) ?? [];
    expect(selectors.length).toBeGreaterThan(9);
    for (const text of selectors) expect(() => compileSelector(text)).not.toThrow();
  });
});
