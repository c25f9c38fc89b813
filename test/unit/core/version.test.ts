import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { version } from "../../../src/core/version.ts";

it("prints the version that package.json and the OpenAPI document have", () => {
  const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
  expect(JSON.parse(read("package.json")).version).toBe(version);
  expect(read("docs/openapi.yaml")).toContain(`  version: ${version}\n`);
});
