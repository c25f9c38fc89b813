// `npm test [-- LANE…]`: all lanes, or those named. Ends with "N passed, N failed" (and ", N skipped").
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
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

/** The kernel that somebody has chosen, or that `npm run uml:build` has made. */
function hasOwnKernel() {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return process.env.CALIBIRD_UML_KERNEL !== undefined || existsSync(join(cache, "calibird", "linux-uml"));
}

/** Debian packages by the program that a lane runs. */
const lanes = {
  unit: {},
  property: {},
  lab: {
    ip: "iproute2",
    ping: "iputils-ping",
    nsenter: "util-linux",
    unshare: "util-linux",
    bird: "bird2",
    gcc: "build-essential",
    iperf3: "iperf3",
    nft: "nftables",
    tcpdump: "tcpdump",
    sysctl: "procps",
    hostname: "hostname",
  },
  interop: {
    ...{
      ip: "iproute2",
      ping: "iputils-ping",
      sysctl: "procps",
      tshark: "tshark",
      tcpdump: "tcpdump",
      bgpdump: "bgpdump",
      nft: "nftables",
    },
    ...otherSpeakers,
    ...{ etcd: "etcd-server", openssl: "openssl" },
  },
  // Root is nobody special here: the machine has its own.
  uml: {
    ...(hasOwnKernel() ? {} : { "linux.uml": "user-mode-linux" }),
    ...{ modprobe: "kmod", perl: "perl-base", nsenter: "util-linux", unshare: "util-linux", pivot_root: "util-linux" },
    ...{ ip: "iproute2", ping: "iputils-ping", bird: "bird2", tcpdump: "tcpdump" },
  },
};
const shortForms = { unit: ["unit", "property"] };
const needRoot = ["lab", "interop"];

checkNode();
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !(name in lanes));
if (unknown.length > 0) {
  console.error(`unknown lane ${unknown.join(", ")}; there are: ${Object.keys(lanes).join(", ")}`);
  process.exit(2);
}
const wanted = [
  ...new Set(asked.length === 0 ? Object.keys(lanes) : asked.flatMap((name) => shortForms[name] ?? [name])),
];
const strict = process.env.CI === "true";

ensurePackages();
build();
if (wanted.includes("lab")) buildBench();

const runnable = [];
const refused = [];
for (const lane of wanted) {
  const missing = ensureDebianPackages(lanes[lane]);
  const reason =
    needRoot.includes(lane) && process.getuid?.() !== 0
      ? "needs root for network namespaces: run it with sudo"
      : missing.length > 0
        ? `needs ${missing.join(", ")}: apt-get install ${missing.map((program) => lanes[lane][program]).join(" ")}`
        : undefined;
  if (reason === undefined) runnable.push(lane);
  else refused.push({ lane, reason });
}

const folder = mkdtempSync(join(tmpdir(), "calibird-test-"));
const report = join(folder, "report.json");
let passed = 0;
let failed = 0;
let skipped = 0;
let status = 0;
if (runnable.length > 0) {
  status = run(process.execPath, [
    join(root, "node_modules/vitest/vitest.mjs"),
    "run",
    ...runnable.flatMap((lane) => ["--project", lane]),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  try {
    const result = JSON.parse(readFileSync(report, "utf8"));
    passed = result.numPassedTests;
    failed = result.numFailedTests;
    skipped = result.numPendingTests + result.numTodoTests;
    // A file that could not even be loaded counts no test, and is a failure all the same.
    failed += result.testResults.filter(
      (file) => file.status === "failed" && file.assertionResults.length === 0,
    ).length;
  } catch {
    failed += 1;
  }
}
rmSync(folder, { recursive: true, force: true });
for (const { lane, reason } of refused) console.log(`lane ${lane} ${strict ? "FAILED" : "skipped"}: it ${reason}`);
if (strict) failed += refused.length;
else skipped += refused.length;
if (status !== 0 && failed === 0) failed = 1;
if (passed === 0 && failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);
