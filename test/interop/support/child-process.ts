import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { waitFor } from "./wait-for.ts";

const running = new Set<Child>();
process.once("exit", () => {
  for (const child of running) child.signal("SIGKILL");
});

/** A program in a network namespace, with everything that it starts; what it says goes to a file. */
export class Child {
  readonly process: ChildProcess;
  readonly #logFile: string;

  constructor(
    namespace: string,
    argv: readonly string[],
    options: { logFile: string; channel?: boolean; env?: object },
  ) {
    this.#logFile = options.logFile;
    const log = openSync(options.logFile, "a");
    const stdio: StdioOptions = ["ignore", log, log, ...(options.channel === true ? (["ipc"] as const) : [])];
    this.process = spawn("ip", ["netns", "exec", namespace, ...argv], {
      stdio,
      detached: true,
      serialization: "advanced",
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin`, ...options.env },
    });
    closeSync(log);
    running.add(this);
    this.process.once("exit", () => running.delete(this));
  }

  get isRunning(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Everything that was said so far, also by an earlier process with the same file. */
  get log(): string {
    return readFileSync(this.#logFile, "utf8");
  }

  /** To the program and its children at once. */
  signal(signal: NodeJS.Signals): void {
    this.#tell(signal);
  }

  /** False if nobody is left. */
  #tell(signal: NodeJS.Signals | 0): boolean {
    const { pid } = this.process;
    if (pid === undefined) return false;
    try {
      return process.kill(-pid, signal);
    } catch {
      return false;
    }
  }

  /** Ends it, and resolves when it is gone with everything that it has started. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.signal(signal);
    if (this.isRunning) await once(this.process, "exit");
    // Its children have got the signal, too, but nobody waits for them.
    await waitFor(() => {
      if (this.#tell(0)) throw new Error(`${this.process.spawnargs.join(" ")} does not end`);
    });
  }
}
