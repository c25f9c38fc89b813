// `npm test [-- LANE…]`: all lanes, or those named. Ends with "N passed, N failed" (and ", N skipped").
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join, relative } from "node:path";
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
    etcd: "etcd-server",
    bash: "bash",
    zsh: "zsh",
    fish: "fish",
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

/**
 * Kernels and daemons of others have moods that a test may not have known of: a file of these lanes that failed is run
 * once more, by itself. It must then pass as a whole, and what failed first is printed at the end.
 */
const repeatedLanes = ["lab", "interop", "uml"];
/** More failed files than this are no mood. */
const mostRepeatedFiles = 4;

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
let passed = 0;
let failed = 0;
let skipped = 0;
let status = 0;
if (runnable.length > 0) {
  const first = runTests(runnable.flatMap((lane) => ["--project", lane]));
  const again = filesToRepeat(first);
  const second = again.length > 0 ? repeat(again) : [];
  status = again.length > 0 ? Number(second.some(hasFailed)) : first.status;
  const files = [...first.files.filter((file) => !again.includes(file)), ...second];
  passed = count(files, "passed");
  // A file that could not even be loaded counts no test, and is a failure all the same.
  failed = count(files, "failed") + files.filter((file) => hasFailed(file) && count([file], "failed") === 0).length;
  skipped = count(files, "pending", "skipped", "todo", "disabled");
}
rmSync(folder, { recursive: true, force: true });
for (const { lane, reason } of refused) console.log(`lane ${lane} ${strict ? "FAILED" : "skipped"}: it ${reason}`);
if (strict) failed += refused.length;
else skipped += refused.length;
if (status !== 0 && failed === 0) failed = 1;
if (passed === 0 && failed === 0) failed = 1;
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed === 0 ? 0 : 1);

/** Runs vitest with these arguments: its exit code and its report's files. */
function runTests(argv) {
  const report = join(folder, "report.json");
  rmSync(report, { force: true });
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const status = run(process.execPath, [vitest, "run", ...argv, ...reporters]);
  try {
    return { status, files: JSON.parse(readFileSync(report, "utf8")).testResults };
  } catch {
    return { status: status === 0 ? 1 : status, files: [] };
  }
}

function hasFailed(file) {
  return file.status === "failed";
}

function count(files, ...statuses) {
  return files.flatMap((file) => file.assertionResults).filter((test) => statuses.includes(test.status)).length;
}

/** The failed files, if they all belong to lanes that may have a mood and are few; else none. */
function filesToRepeat({ files }) {
  const failures = files.filter(hasFailed);
  const laneOf = (file) => relative(root, file.name).split("/")[1];
  const repeatable =
    failures.length <= mostRepeatedFiles && failures.every((file) => repeatedLanes.includes(laneOf(file)));
  return repeatable ? failures : [];
}

/** The second run's files; those that it has no report of stay as they were. */
function repeat(again) {
  console.log(`\nonce more, alone: ${again.map((file) => relative(root, file.name)).join(", ")}`);
  const { files } = runTests(again.map((file) => relative(root, file.name)));
  console.log("\nfailed in the first run:");
  for (const file of again) {
    const names = file.assertionResults.filter((test) => test.status === "failed").map((test) => test.fullName);
    for (const name of names.length > 0 ? names : [file.message.split("\n")[0]]) {
      console.log(`  ${relative(root, file.name)}: ${name}`);
    }
  }
  return again.map((file) => files.find((other) => other.name === file.name) ?? file);
}
