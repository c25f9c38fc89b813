import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** The members of every `…ErrorCode` union of the sources. */
function errorCodes(): string[] {
  const folder = join(root, "src");
  const sources = readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => name.endsWith(".ts"));
  return sources.flatMap((name) => {
    const text = readFileSync(join(folder, name), "utf8");
    const unions = [...text.matchAll(/type \w*ErrorCode\s*=((?:.|\n)*?");\n/g)].map((match) => match[1] ?? "");
    return unions.flatMap((union) => [...union.matchAll(/"([A-Z][A-Z0-9_]+)"/g)].map((match) => match[1] ?? ""));
  });
}

it("documents every error code in docs/errors.md, and no others", () => {
  const documented = new Set(
    [...readFileSync(join(root, "docs/errors.md"), "utf8").matchAll(/`([A-Z][A-Z0-9_]+)`/g)].map((match) => match[1]),
  );
  const codes = new Set(errorCodes());
  expect(codes.size).toBeGreaterThan(50);
  expect([...codes].filter((code) => !documented.has(code))).toEqual([]);
  // INTERNAL is what the sockets answer for an error without a code.
  expect([...documented].filter((code) => code !== undefined && !codes.has(code))).toEqual(["INTERNAL"]);
});
