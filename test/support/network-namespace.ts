import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { promisify } from "node:util";

const run = promisify(execFile);

/** A network namespace of a test's own, handled by iproute2 so that what our code did is judged by somebody else. */
export class TestNamespace {
  readonly name: string;

  /** `role` makes the name readable; it is unique all the same. */
  constructor(role: string) {
    this.name = `cbt-${process.pid}-${randomBytes(3).toString("hex")}-${role}`;
    execFileSync("ip", ["netns", "add", this.name]);
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** Runs `ip ARGUMENTS` inside; the arguments are split at blanks. */
  async ip(command: string): Promise<string> {
    const { stdout } = await run("ip", ["-n", this.name, ...command.split(" ")]);
    return stdout;
  }

  /** Runs several `ip` commands at once; with `force` the ones after a refused one, too. Returns what was refused. */
  async ipBatch(commands: readonly string[], force = false): Promise<string> {
    const running = run("ip", ["-n", this.name, ...(force ? ["-force"] : []), "-batch", "-"]);
    running.child.stdin?.end(`${commands.join("\n")}\n`);
    try {
      return (await running).stderr;
    } catch (error) {
      if (!force || !(error instanceof Error && "stderr" in error)) throw error;
      return String(error.stderr);
    }
  }

  /** As `ip`, decoded. */
  async json(command: string): Promise<unknown[]> {
    const text = await this.ip(`-json ${command}`);
    return text.trim() === "" ? [] : JSON.parse(text);
  }

  /** Runs any program inside and waits for its success. */
  async exec(program: string, ...args: readonly string[]): Promise<string> {
    const { stdout } = await run("ip", ["netns", "exec", this.name, program, ...args]);
    return stdout;
  }

  remove(): void {
    execFileSync("ip", ["netns", "delete", this.name]);
  }
}

/** What `ip monitor` tells about a namespace. */
export class Monitor {
  readonly #process: ChildProcess;
  readonly #lines: string[] = [];

  private constructor(process: ChildProcess) {
    this.#process = process;
    let rest = "";
    process.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      this.#lines.push(...parts);
    });
  }

  /** Resolves when it is listening; lines so far are forgotten. */
  static async start(namespace: TestNamespace, ...objects: readonly string[]): Promise<Monitor> {
    const child = spawn("ip", ["-n", namespace.name, "-oneline", "monitor", ...objects], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const monitor = new Monitor(child);
    await monitor.mark(namespace);
    monitor.#lines.length = 0;
    return monitor;
  }

  /** Resolves when everything that happened so far has been told. */
  async mark(namespace: TestNamespace): Promise<void> {
    const marker = `198.18.${Math.floor(Math.random() * 256)}.${Math.floor(Math.random() * 256)}`;
    const isSeen = (): boolean => this.#lines.some((line) => line.includes(marker));
    while (!isSeen()) {
      await namespace.ip(`route add blackhole ${marker} protocol 99`);
      await namespace.ip(`route del blackhole ${marker} protocol 99`);
    }
  }

  /** What was told, but for our own marks and for the kernel's own IPv6 routes, which come when it has time for them. */
  get lines(): readonly string[] {
    return this.#lines.filter((line) => !line.includes("198.18.") && !/ table local proto kernel /.test(line));
  }

  stop(): void {
    this.#process.kill();
  }
}
