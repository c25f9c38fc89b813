import { type ChildProcess, execFile, spawn } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/** What the kernel tells about the routes of a namespace (`ip monitor`). */
export class RouteWatch {
  readonly #namespace: string;
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];

  private constructor(namespace: string, process: ChildProcess) {
    this.#namespace = namespace;
    this.#process = process;
    let rest = "";
    process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      this.#lines.push(...parts);
    });
  }

  /** Resolves when it is listening. */
  static async start(namespace: string): Promise<RouteWatch> {
    const child = spawn("ip", ["-n", namespace, "-oneline", "monitor", "route"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const watch = new RouteWatch(namespace, child);
    await watch.#mark();
    return watch;
  }

  /** Every removal of a route to this prefix so far. */
  async removals(prefix: string): Promise<string[]> {
    await this.#mark();
    return this.#lines.filter((line) => line.startsWith("Deleted ") && line.includes(`${prefix} `));
  }

  stop(): void {
    this.#process.kill();
  }

  /** Resolves when everything that happened so far has been told. */
  async #mark(): Promise<void> {
    const marker = `198.18.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}`;
    while (!this.#lines.some((line) => line.includes(marker)))
      for (const action of ["add", "del"])
        await run("ip", ["-n", this.#namespace, "route", action, "blackhole", marker, "protocol", "99"]);
  }
}
