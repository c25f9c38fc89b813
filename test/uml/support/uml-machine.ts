import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { installationRoot } from "../../../src/lab/runtime/paths.ts";
import { quote } from "../../../src/lab/runtime/setup-script.ts";
import { guardGroup } from "./guard.ts";
import { findKernel } from "./kernel.ts";

/** How to run a program in a machine of its own. */
export interface UmlRunOptions {
  /** The machine is switched off after this time, and the promise rejects. */
  readonly timeoutMs: number;
  /** Default: 512. It is taken from the host page by page, as the guest touches it. */
  readonly memoryMiB?: number;
  /** Default: the current folder, which the guest sees at the same path. */
  readonly workingFolder?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** More words for the kernel's command line, such as `time-travel`. */
  readonly kernelArguments?: readonly string[];
  /** Told what the program says on standard output, while it runs. */
  readonly onOutput?: (text: string) => void;
}

/** How the program ended. */
export interface UmlResult {
  /** Exit status; 128 + N if signal N ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** What the program left in its folder /run/uml/output, by file name. */
  readonly files: ReadonlyMap<string, Buffer>;
}

const initScript = join(installationRoot(), "test/uml/support/guest-init.sh");

/**
 * Boots a user-mode-linux kernel, runs one program as root in it, and switches it off. The guest has the host's file system
 * under a copy-on-write layer in its memory, an empty /run, one CPU, and no network but `lo`: whatever the program does,
 * only its output and the files in /run/uml/output are left of it. Rejects with the kernel's words if the program did not
 * come to an end.
 */
export async function runInUml(argv: readonly string[], options: UmlRunOptions): Promise<UmlResult> {
  const folder = mkdtempSync(join(tmpdir(), "calibird-uml-"));
  const host = (name: string) => join(folder, name);
  try {
    mkdirSync(host("output"));
    copyFileSync(initScript, host("init"));
    chmodSync(host("init"), 0o755);
    writeFileSync(host("command.sh"), commandScript(argv, options));
    const ending = await boot(folder, options);
    const code = readText(host("code"));
    if (code === "") {
      const words = ["console", "stdout", "stderr"].map((name) => readText(host(name)).slice(-4000).trim());
      throw new Error(
        `the guest ${ending} before its program had ended:\n${words.filter((text) => text !== "").join("\n")}`,
      );
    }
    const names = readdirSync(host("output"));
    return {
      code: Number(code),
      stdout: readText(host("stdout")),
      stderr: readText(host("stderr")),
      files: new Map(names.map((name) => [name, readFileSync(join(folder, "output", name))])),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the kernel to its end; says how that was. */
async function boot(folder: string, options: UmlRunOptions): Promise<string> {
  const { timeoutMs, memoryMiB = 512, kernelArguments = [] } = options;
  const kernel = findKernel();
  const log = openSync(join(folder, "console"), "w");
  const child = spawn(
    kernel.path,
    [
      ...[...kernel.arguments, `mem=${memoryMiB}M`, `uml_dir=${folder}`, "con=null", "con0=null,fd:1", "quiet"],
      ...["root=/dev/root", "rootfstype=hostfs", "hostfs=/", "rw", `init=${join(folder, "init")}`],
      ...[`calibird_uml_folder=${folder}`, ...kernelArguments],
    ],
    {
      stdio: ["ignore", log, log],
      detached: true,
      env: { ...process.env, TMPDIR: memoryFolder(memoryMiB, folder) },
    },
  );
  closeSync(log);
  const exit = once(child, "exit");
  const guard = guardGroup(child.pid, folder);
  const follower = options.onOutput && new Follower(join(folder, "stdout"), options.onOutput);
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup(child.pid);
  }, timeoutMs);
  try {
    const [code, signal] = await exit;
    return timedOut ? `was switched off after ${timeoutMs} ms` : `stopped (${signal ?? code})`;
  } finally {
    clearTimeout(timer);
    follower?.end();
    killGroup(child.pid);
    guard.release();
  }
}

/** Reads a file that grows. */
class Follower {
  readonly #path: string;
  readonly #tell: (text: string) => void;
  readonly #timer: NodeJS.Timeout;
  #told = 0;

  constructor(path: string, tell: (text: string) => void) {
    this.#path = path;
    this.#tell = tell;
    this.#timer = setInterval(() => this.#look(), 500);
  }

  /** Tells the rest. */
  end(): void {
    clearInterval(this.#timer);
    this.#look();
  }

  #look(): void {
    const text = readText(this.#path);
    if (text.length > this.#told) this.#tell(text.slice(this.#told));
    this.#told = text.length;
  }
}

/** The shell script that becomes the program. */
function commandScript(argv: readonly string[], { env = {}, workingFolder = "." }: UmlRunOptions): string {
  const lines = [
    `cd ${quote(resolve(workingFolder))} || exit`,
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`),
    `exec ${argv.map(quote).join(" ")}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** Where the kernel keeps the guest's memory: on a tmpfs if it fits, since each page would be written to the disk otherwise. */
function memoryFolder(memoryMiB: number, otherwise: string): string {
  const shared = "/dev/shm";
  try {
    const { bavail, bsize } = statfsSync(shared);
    return bavail * bsize > memoryMiB * 2 ** 20 ? shared : otherwise;
  } catch {
    return otherwise;
  }
}

/** Ends the kernel's processes: its own, and on the host one for each address space of the guest. */
function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
