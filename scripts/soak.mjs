// `npm run soak [-- options]`: many BGP sessions, or five other daemons, for a long time; --help says more.
import { join } from "node:path";
import {
  build,
  buildBench,
  checkNode,
  ensureDebianPackages,
  ensurePackages,
  otherSpeakers,
  root,
  run,
} from "./prepare.mjs";

checkNode();
ensurePackages();
if (process.argv.includes("--virtual-hours")) {
  const packages = { ip: "iproute2", perl: "perl-base", ...otherSpeakers };
  const missing = ensureDebianPackages(packages);
  if (missing.length > 0) {
    console.error(
      `needs ${missing.join(", ")}: apt-get install ${missing.map((program) => packages[program]).join(" ")}`,
    );
    process.exit(2);
  }
  // The agent runs from dist/.
  build();
}
buildBench();
process.exit(run(process.execPath, [join(root, "dist-bench/bench/soak/main.js"), ...process.argv.slice(2)]));
