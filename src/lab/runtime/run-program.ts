import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { errorMessage } from "../../core/errors.ts";
import { LabError } from "../errors.ts";

/** How a program ended and what it wrote. */
export interface ProgramResult {
  /** Exit status; 128 + N if signal N ended it, as a shell counts. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Written to the program's standard input, which is empty otherwise. */
  readonly input?: string;
  /** Kills the program and everything it started; the promise rejects with LAB_INTERRUPTED. */
  readonly signal?: AbortSignal;
  /** As an abort after this time, but the promise resolves with code 124, as `timeout` does. */
  readonly timeoutMs?: number;
}

const signalNumbers: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGKILL: 9, SIGTERM: 15 };
const timeoutCode = 124;
/** How long output may still come after the program's end. */
const drainMs = 1000;

/**
 * Runs a program to its end and collects its output. It is in a process group of its own: a Ctrl-C on the terminal reaches
 * only us, and we decide. Rejects with LAB_UNSUPPORTED if the program cannot be started at all.
 */
export async function runProgram(argv: readonly string[], options: RunOptions = {}): Promise<ProgramResult> {
  const interrupted = () =>
    new LabError("LAB_INTERRUPTED", `${argv.join(" ")} was interrupted`, { argv }, options.signal?.reason);
  if (isAborted(options.signal)) throw interrupted();
  const child = spawnProgram(argv, {
    ...(options.env === undefined ? {} : { env: options.env }),
    stdio: "pipe",
    detached: true,
  });
  const output = { stdout: "", stderr: "" };
  for (const stream of ["stdout", "stderr"] as const) {
    child[stream]?.setEncoding("utf8");
    child[stream]?.on("data", (text: string) => {
      output[stream] += text;
    });
  }
  // A program that does not read its input closes the pipe early, which is its right.
  child.stdin?.on("error", () => {});
  child.stdin?.end(options.input ?? "");
  let timedOut = false;
  const kill = () => killGroup(child);
  const timer =
    options.timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, options.timeoutMs);
  options.signal?.addEventListener("abort", kill, { once: true });
  try {
    const code = await exitOf(child, argv);
    if (isAborted(options.signal)) throw interrupted();
    return { code: timedOut ? timeoutCode : code, ...output };
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", kill);
  }
}

/** Runs a program on our own terminal, in our process group; resolves with its exit status. */
export async function runInteractively(
  argv: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  return exitOf(spawnProgram(argv, { env, stdio: "inherit" }), argv);
}

/** As `runProgram`, but a status other than 0 is an error with the program's own words in it. */
export async function runOrFail(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await runProgram(argv, options);
  if (code === 0) return stdout;
  const words = stderr.trim() === "" ? stdout.trim() : stderr.trim();
  throw new LabError("LAB_START_FAILED", `${argv.join(" ")} ended with status ${code}: ${words}`, { argv, code });
}

/** Starts the first word of the list with the others as arguments. */
function spawnProgram(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [program, ...args] = argv;
  if (program === undefined) throw new TypeError("a program needs a name");
  return spawn(program, args, options);
}

/** Exit status of a child once it has ended and its output is complete; rejects if it could not be started. */
function exitOf(child: ChildProcess, argv: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once("error", (error) =>
      reject(new LabError("LAB_UNSUPPORTED", `${argv[0]} cannot be run: ${errorMessage(error)}`, { argv }, error)),
    );
    child.once("exit", () => {
      // What the program left running in the background may hold its output open for ever.
      const timer = setTimeout(() => {
        child.stdout?.destroy();
        child.stderr?.destroy();
      }, drainMs);
      child.once("close", () => clearTimeout(timer));
    });
    child.once("close", (code, signal) => resolve(code ?? 128 + (signalNumbers[signal ?? ""] ?? 0)));
  });
}

/** Asked anew each time, because the answer changes while we wait. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

/** Kills a child that leads its own process group, and with it what it has started. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    child.kill("SIGKILL");
  }
}
