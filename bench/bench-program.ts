import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

/** What one run has reported; keys as in the scenario's columns. */
export type Values = Readonly<Record<string, number>>;

/** A program of the benchmark inside a network namespace, which says on standard error how far it is. */
export class BenchProgram {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<number | null>;
  #output = "";
  #words = "";
  /** Called whenever it says something or ends. */
  #wake: () => void = () => {};

  constructor(namespace: string, command: readonly string[], signal: AbortSignal) {
    this.#child = spawn("ip", ["netns", "exec", namespace, ...command], { signal });
    this.#child.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#output += text;
    });
    this.#child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#words += text;
      this.#wake();
    });
    this.#ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", resolve);
    });
    const wake = () => this.#wake();
    this.#ended.then(wake, wake);
  }

  /** Resolves when it has said the word; forgets all that came before it. Throws if it ends instead. */
  async said(word: string): Promise<void> {
    for (;;) {
      const at = this.#words.indexOf(`${word}\n`);
      if (at >= 0) {
        this.#words = this.#words.slice(at + word.length + 1);
        return;
      }
      const spoke = new Promise<undefined>((resolve) => {
        this.#wake = () => resolve(undefined);
      });
      if ((await Promise.race([spoke, this.#ended])) !== undefined || this.#child.exitCode !== null)
        throw new Error(this.#lastWords());
    }
  }

  tell(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Resolves with what it has measured. Throws with its last words if it failed. */
  async result(): Promise<Values> {
    this.#child.stdin.end();
    if ((await this.#ended) !== 0) throw new Error(this.#lastWords());
    return readValues(this.#output);
  }

  /** Ends it, if it runs. */
  async end(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended.catch(() => {});
  }

  #lastWords(): string {
    const lines = this.#words.trim().split("\n").slice(-2).join(" | ");
    return lines === "" ? `the program ended with ${this.#child.exitCode ?? this.#child.signalCode}` : lines;
  }
}

/** The numbers of the object that the program prints. Throws if something else came. */
export function readValues(output: string): Values {
  const parsed: unknown = JSON.parse(output);
  if (typeof parsed !== "object" || parsed === null) throw new Error(`not an object: ${output.slice(0, 100)}`);
  return Object.fromEntries(
    Object.entries(parsed).flatMap(([key, value]) => (typeof value === "number" ? [[key, value] as const] : [])),
  );
}
