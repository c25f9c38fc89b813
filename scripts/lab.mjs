// `npm run lab [-- --once]`: the three-node lab, from a fresh clone.
import { join } from "node:path";
import { build, checkNode, ensureDebianPackages, ensurePackages, hasProgram, root, run } from "./prepare.mjs";

checkNode();
if (process.getuid?.() !== 0) {
  console.error("the lab makes network namespaces and needs root: sudo npm run lab");
  process.exit(1);
}
ensurePackages();
const missing = ensureDebianPackages({
  ip: "iproute2",
  ping: "iputils-ping",
  nsenter: "util-linux",
  unshare: "util-linux",
});
if (missing.length > 0) {
  console.error(`the lab needs these programs: ${missing.join(", ")}`);
  process.exit(1);
}
if (!hasProgram("bird")) console.log("BIRD is not installed, so the lab has no r1: apt-get install bird2 adds it");
build();
// Ctrl-C reaches the whole process group; the lab itself cleans up, so wait for it.
process.on("SIGINT", () => {});
process.exit(run(process.execPath, [join(root, "dist/bin/calibird.js"), "lab", "demo", ...process.argv.slice(2)]));
