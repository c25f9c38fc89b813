import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Scope } from "./scope.ts";

/** How long a program may take to be ready, and to end when it is told to. */
const readyTimeoutMs = 20_000;
const endTimeoutMs = 10_000;

/** TCP_LISTEN, and port 179, as /proc/net/tcp writes them. */
const listening = /^ *\d+: [0-9A-F]+:00B3 [0-9A-F]+:[0-9A-F]+ 0A /m;

/** A program inside a network namespace. */
export class NamespaceProcess {
  readonly #child: ChildProcess;
  readonly #command: string;
  readonly #log: string;

  /** Starts it; what it says goes to the file `log`. It ends with the scope. */
  constructor(scope: Scope, namespace: string, command: readonly string[], log: string) {
    this.#command = command.join(" ");
    this.#log = log;
    const output = openSync(log, "a");
    this.#child = spawn("ip", ["netns", "exec", namespace, ...command], { stdio: ["ignore", output, output] });
    closeSync(output);
    scope.defer(() => this.#end());
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** This process and all that it has started. */
  processIds(): number[] {
    return [this.pid, ...descendants(this.pid)];
  }

  /** Resolves when it accepts BGP connections. */
  awaitListening(): Promise<void> {
    const tables = ["tcp", "tcp6"].map((name) => `/proc/${this.pid}/net/${name}`);
    return this.#await("it listens on port 179", () =>
      tables.some((file) => listening.test(readFileSync(file, "utf8"))),
    );
  }

  awaitFile(path: string): Promise<void> {
    return this.#await(`${path} is there`, () => existsSync(path));
  }

  awaitOutput(text: string): Promise<void> {
    return this.#await(`it says ${text}`, () => readFileSync(this.#log, "utf8").includes(text));
  }

  async #await(what: string, isTrue: () => boolean): Promise<void> {
    const deadline = performance.now() + readyTimeoutMs;
    for (;;) {
      const ended = this.#child.exitCode !== null || this.#child.signalCode !== null;
      if (!ended && isTrue()) return;
      if (ended || performance.now() > deadline)
        throw new Error(`${this.#command} ${ended ? "ended" : "was not ready"} before ${what}: ${this.#lastWords()}`);
      await sleep(20);
    }
  }

  #lastWords(): string {
    return readFileSync(this.#log, "utf8").trim().split("\n").slice(-3).join(" | ");
  }

  async #end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    this.#child.kill("SIGTERM");
    const late = setTimeout(() => this.#child.kill("SIGKILL"), endTimeoutMs);
    await ended;
    clearTimeout(late);
  }
}

function descendants(pid: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const text = readFileSync(`/proc/${name}/stat`, "utf8");
        return [{ pid: Number(name), parent: Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]) }];
      } catch {
        // It has ended meanwhile.
        return [];
      }
    });
  const childrenOf = (parent: number): number[] =>
    parents.filter((entry) => entry.parent === parent).flatMap((entry) => [entry.pid, ...childrenOf(entry.pid)]);
  return childrenOf(pid);
}
