// `npm run lab [-- --once]`: the three-node lab, from a fresh clone.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { build, checkNode, ensureDebianPackages, ensurePackages, hasProgram, root } from "./prepare.mjs";

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
// Whoever ends this process means the lab, which removes itself before it ends: pass the signal on and wait. Ctrl-C reaches
// the whole process group, so the lab gets it twice, which makes no difference to it.
const lab = spawn(process.execPath, [join(root, "dist/bin/calibird.js"), "lab", "demo", ...process.argv.slice(2)], {
  cwd: root,
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => lab.kill(signal));
lab.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
