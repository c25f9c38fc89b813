// `npm run bench [-- SCENARIO… options]`: builds what the benchmark needs, from a fresh clone, and runs it.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { join } from "node:path";
import { build, buildBench, checkNode, ensureDebianPackages, ensurePackages, hasProgram, root } from "./prepare.mjs";

/** Debian packages of the daemons, and the program by which each is found. */
const daemons = {
  bird: { program: "bird", package: "bird2" },
  frr: { program: "zebra", package: "frr" },
  gobgp: { program: "gobgpd", package: "gobgpd" },
  openbgpd: { program: "bgpctl", package: "openbgpd" },
};

checkNode();
ensurePackages();
build();
buildBench();

const asked = process.argv.slice(2);
const isQuestion = asked.includes("--help") || asked.includes("-h");
if (!isQuestion && process.getuid?.() !== 0) {
  console.error("the benchmark makes network namespaces and needs root: sudo npm run bench");
  process.exit(1);
}
const position = asked.indexOf("--peers");
const named = position < 0 ? undefined : (asked[position + 1] ?? "").split(",").filter((name) => name in daemons);
if (!isQuestion) {
  const wanted = (named ?? ["bird"]).map((name) => [daemons[name].program, daemons[name].package]);
  const base = { gcc: "build-essential", ip: "iproute2", ping: "iputils-ping" };
  const tools = { ...base, iperf3: "iperf3", nft: "nftables", etcd: "etcd-server" };
  const missing = ensureDebianPackages({ ...tools, ...Object.fromEntries(wanted) });
  if (missing.length > 0) {
    console.error(`the benchmark needs these programs: ${missing.join(", ")}`);
    process.exit(1);
  }
}
const installed = Object.keys(daemons).filter((name) => hasProgram(daemons[name].program));
const peers = named === undefined ? ["--peers", installed.join(",") || "none"] : [];
// Whoever ends this process means the benchmark, which removes its namespaces before it ends: pass the signal on and wait.
const bench = spawn(process.execPath, [join(root, "dist-bench/bench/main.js"), ...peers, ...asked], {
  cwd: root,
  stdio: "inherit",
});
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => bench.kill(signal));
bench.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
