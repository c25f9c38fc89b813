import { readFileSync, rmSync } from "node:fs";
import { expect } from "vitest";
import type { AgentLab } from "./agent-lab.ts";

let counter = 0;

/** What a background program needs of a lab. */
export type ProgramHost = Pick<AgentLab, "run" | "runFile">;

/** A program that goes on inside a node while the test does something else. Its output can be read at any time. */
export class BackgroundProgram {
  readonly #agents: ProgramHost;
  readonly #node: string;
  readonly #file: string;
  readonly #ended: Promise<unknown>;

  /** Starts the program; its two outputs go to one file. */
  constructor(agents: ProgramHost, node: string, argv: readonly string[]) {
    const name = `test-${counter++}`;
    this.#agents = agents;
    this.#node = node;
    this.#file = agents.runFile(node, name);
    // The shell's process id, as the node counts, becomes the program's.
    const script = `echo $$ > /run/calibird/${name}.pid; exec "$@" > /run/calibird/${name}.out 2>&1`;
    // A lab that is removed takes its programs with it.
    this.#ended = agents.run(node, "sh", "-c", script, "sh", ...argv).catch(() => {});
  }

  /** What it has written so far. */
  output(): string {
    try {
      return readFileSync(`${this.#file}.out`, "utf8");
    } catch {
      return "";
    }
  }

  /** Interrupts it as Ctrl-C does, waits for its end, and returns all that it wrote. */
  async stop(): Promise<string> {
    await expect.poll(() => this.output().length, { timeout: 10_000 }).toBeGreaterThan(0);
    const pid = readFileSync(`${this.#file}.pid`, "utf8").trim();
    await this.#agents.run(this.#node, "kill", "-INT", pid);
    await this.#ended;
    const output = this.output();
    for (const suffix of ["pid", "out"]) rmSync(`${this.#file}.${suffix}`, { force: true });
    return output;
  }
}
