// Finds exported names that no other file imports. What packages outside may use is listed as public; a type that another
// declaration of its file mentions belongs to that declaration's interface.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { listSources, readImports, repositoryRoot } from "./source-files.mjs";

/** Entry points of package.json `exports`, `bin` and of worker threads. */
const publicFiles = ["src/bgp/index.ts", "src/bgp/packet/index.ts"];

const used = new Map();
const importers = listSources("src", "test", "bench", "fuzz", "simulation").concat(["vitest.config.ts"]);
for (const file of importers) {
  for (const { target, names, everything } of readImports(file)) {
    if (target === undefined) continue;
    const seen = used.get(target) ?? new Set();
    for (const name of names) seen.add(name);
    if (everything) seen.add("*");
    used.set(target, seen);
  }
}

const problems = [];
let exported = 0;
for (const file of listSources("src", "bench", "fuzz", "simulation")) {
  if (publicFiles.includes(file)) continue;
  const text = readFileSync(join(repositoryRoot, file), "utf8");
  const declaration =
    /^export\s+(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?(const|let|function\*?|class|interface|type)\s+([A-Za-z_$][\w$]*)/gm;
  const seen = used.get(file) ?? new Set();
  for (const [, keyword, name] of text.matchAll(declaration)) {
    exported++;
    if (seen.has(name) || seen.has("*")) continue;
    const isType = keyword === "interface" || keyword === "type";
    if (isType && (text.match(new RegExp(`\\b${name}\\b`, "g")) ?? []).length > 1) continue;
    problems.push(`${file}: export ${name} is used by no other file`);
  }
}
for (const problem of problems) console.error(problem);
console.log(`exports: ${exported} names, ${problems.length} unused`);
process.exit(problems.length === 0 ? 0 : 1);
