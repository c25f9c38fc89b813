// `npm run simulate [-- options]`: builds the simulation of IPAM, from a fresh clone, and runs it.
import { join } from "node:path";
import { buildBench, checkNode, ensurePackages, root, run } from "./prepare.mjs";

checkNode();
ensurePackages();
buildBench();
process.exit(run(process.execPath, [join(root, "dist-bench/simulation/main.js"), ...process.argv.slice(2)]));
