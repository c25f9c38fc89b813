// `npm run check`: types, lint and format, dependency direction, unused exports. Runs all, then says what failed.
import { join } from "node:path";
import { checkNode, ensurePackages, root, run } from "./prepare.mjs";

checkNode();
ensurePackages();
const checks = {
  types: ["node_modules/typescript/bin/tsc", "--noEmit", "-p", "tsconfig.json"],
  "lint and format": ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings", "."],
  "dependency direction": ["scripts/check-layers.mjs"],
  "unused exports": ["scripts/check-exports.mjs"],
};
const failed = Object.entries(checks).filter(
  ([, [script, ...args]]) => run(process.execPath, [join(root, script), ...args]) !== 0,
);
console.log(failed.length === 0 ? "check: clean" : `check failed: ${failed.map(([name]) => name).join(", ")}`);
process.exit(failed.length === 0 ? 0 : 1);
