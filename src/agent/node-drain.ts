import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Drainable } from "./api/drain-routes.ts";

/** Remembers over restarts of the agent that this node is drained: an operator took it out, and nobody else brings it back. */
export class NodeDrain implements Drainable {
  readonly #directory: string;
  readonly #sessions: Drainable;

  /** `stateDir` is the folder of what survives a reboot. */
  constructor(stateDir: string, sessions: Drainable) {
    this.#directory = stateDir;
    this.#sessions = sessions;
  }

  /** Drains the sessions if they were before the agent ended. */
  restore(): void {
    let message: string;
    try {
      message = readFileSync(this.#file, "utf8");
    } catch {
      return;
    }
    this.#sessions.drain(message);
  }

  drain(message: string): void {
    mkdirSync(this.#directory, { recursive: true });
    writeFileSync(this.#file, message);
    this.#sessions.drain(message);
  }

  undrain(): void {
    rmSync(this.#file, { force: true });
    this.#sessions.undrain();
  }

  /** Holds the text for the peers. */
  get #file(): string {
    return join(this.#directory, "drained");
  }
}
