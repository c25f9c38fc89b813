// What a fresh clone needs before anything else can run. Plain JavaScript without dependencies on purpose.
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, lstatSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");

/** Runs a program to its end with our output; returns its exit code. */
export function run(program, args, options = {}) {
  const result = spawnSync(program, args, { cwd: root, stdio: "inherit", ...options });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

/** Refuses a Node.js that the project does not support, and warns of one past its end of life. */
export function checkNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major < 20 || (major === 20 && minor < 19) || (major === 22 && minor < 12) || major === 21) {
    console.error(`calibird needs Node.js 20.19, 22.12 or newer; this is ${process.versions.node}`);
    process.exit(2);
  }
}

/** Installs the npm packages of the lockfile if they are missing or older than it. */
export function ensurePackages() {
  const modules = join(root, "node_modules");
  const stamp = join(modules, ".package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) {
    console.error(
      "node_modules is a link, and installing would change what it leads to; remove it or run npm ci there",
    );
    process.exit(1);
  }
  console.log("installing npm packages");
  if (run("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]) !== 0) {
    console.error("npm ci failed; see above");
    process.exit(1);
  }
}

function compile(project) {
  const code = run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", project]);
  if (code !== 0) {
    console.error("the build failed; see above");
    process.exit(1);
  }
}

/** Compiles bench/ to dist-bench/. */
export function buildBench() {
  compile("tsconfig.bench.json");
}

/** Compiles src/ to dist/, and makes the two programs executable, which the compiler does not. */
export function build() {
  compile("tsconfig.build.json");
  for (const program of Object.values(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).bin))
    chmodSync(join(root, program), 0o755);
}

/** True if a program is on the PATH or in the system folders, which a user's PATH may lack, or is one of FRR's. */
export function hasProgram(name) {
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/sbin", "/sbin", "/usr/lib/frr"];
  return folders.some((folder) => folder !== "" && existsSync(join(folder, name)));
}

/**
 * Installs the Debian packages whose program is missing. Their services are not started: we run the daemons ourselves, in
 * namespaces of their own. Returns the programs that are still missing.
 * @param {Record<string, string>} programs program name -> Debian package
 */
export function ensureDebianPackages(programs) {
  const missing = () => Object.keys(programs).filter((program) => !hasProgram(program));
  if (missing().length === 0) return [];
  if (process.getuid?.() !== 0 || !hasProgram("apt-get")) return missing();
  const packages = [...new Set(missing().map((program) => programs[program]))];
  console.log(`installing Debian packages: ${packages.join(" ")}`);
  const policy = "/usr/sbin/policy-rc.d";
  const ownPolicy = !existsSync(policy);
  if (ownPolicy) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  const environment = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  try {
    const apt = (stderr, ...args) => run("apt-get", args, { env: environment, stdio: ["ignore", "ignore", stderr] });
    // A machine that has just started may be busy with its own updates.
    const install = ["-o", "DPkg::Lock::Timeout=120", "install", "-y", "-qq", "--no-install-recommends", ...packages];
    // Fails where the package lists are missing or old, and then says nothing that would help.
    if (apt("ignore", ...install) !== 0) {
      apt("inherit", "update", "-qq");
      apt("inherit", ...install);
    }
  } finally {
    if (ownPolicy) rmSync(policy, { force: true });
  }
  return missing();
}

/** The daemons of other projects that we run, by program. FRR and OpenBGPD both have a bgpd; only FRR has a zebra. */
export const otherSpeakers = { bird: "bird2", gobgpd: "gobgpd", exabgp: "exabgp", bgpctl: "openbgpd", zebra: "frr" };
