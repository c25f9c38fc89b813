// `npm run soak [-- options]`: many BGP sessions for a long time; --help says more.
import { join } from "node:path";
import { buildBench, checkNode, ensurePackages, root, run } from "./prepare.mjs";

checkNode();
ensurePackages();
buildBench();
process.exit(run(process.execPath, [join(root, "dist-bench/bench/soak/main.js"), ...process.argv.slice(2)]));
