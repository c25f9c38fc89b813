// node dist-bench/bench/write-page.js RESULTS.json...: writes what `npm run bench -- --json FILE` has measured into
// docs/performance.md. Scenarios that no file has are left out, so name all files that count.
import { readFileSync, writeFileSync } from "node:fs";
import { withResults } from "./page.ts";
import type { Report } from "./results.ts";

const page = "docs/performance.md";
const files = process.argv.slice(2);
if (files.length === 0) {
  process.stderr.write("name the files that npm run bench -- --json FILE has written\n");
  process.exit(2);
}
const reports = files.map((file): Report => JSON.parse(readFileSync(file, "utf8")));
writeFileSync(page, withResults(readFileSync(page, "utf8"), reports));
