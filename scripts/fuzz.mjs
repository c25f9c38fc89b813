// `npm run fuzz [-- options]`: builds the fuzzer, from a fresh clone, and runs it.
import { join } from "node:path";
import { buildBench, checkNode, ensurePackages, root, run } from "./prepare.mjs";

checkNode();
ensurePackages();
buildBench();
process.exit(run(process.execPath, [join(root, "dist-bench/fuzz/main.js"), ...process.argv.slice(2)]));
