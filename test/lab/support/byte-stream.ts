import { join } from "node:path";
import { expect } from "vitest";
import { BackgroundProgram, type ProgramHost } from "./background-program.ts";

const program = join(import.meta.dirname, "byte-stream.mjs");
let nextPort = 20_000;

/** What one end says of a connection. */
export interface ByteReport {
  readonly sent: number;
  readonly received: number;
  /** Position of the first octet that was not what it should be. */
  readonly wrong: number | null;
  readonly error: string | null;
}

/** A TCP connection between two pods on which both ends send all the time and check every octet. */
export class ByteStream {
  readonly label: string;
  readonly #server: BackgroundProgram;
  readonly #client: BackgroundProgram;

  private constructor(label: string, server: BackgroundProgram, client: BackgroundProgram) {
    this.label = label;
    this.#server = server;
    this.#client = client;
  }

  /** Resolves when the connection is there. The pods' namespaces have the pods' names. */
  static async start(
    host: ProgramHost,
    from: { readonly node: string; readonly pod: string },
    to: { readonly node: string; readonly pod: string; readonly address: string },
  ): Promise<ByteStream> {
    const port = String(nextPort++);
    const argv = (pod: string, role: string) =>
      ["ip", "netns", "exec", pod, process.execPath, program, role, to.address, port] as const;
    const server = new BackgroundProgram(host, to.node, argv(to.pod, "listen"));
    await expect.poll(() => server.output(), { timeout: 10_000 }).toContain("listening");
    const client = new BackgroundProgram(host, from.node, argv(from.pod, "connect"));
    await expect.poll(() => client.output(), { timeout: 10_000 }).toContain("connected");
    return new ByteStream(`${from.pod} <-> ${to.pod}`, server, client);
  }

  /** Octets that have come to the end that dialled so far. */
  received(): number {
    return Number([...this.#client.output().matchAll(/^received (\d+)$/gm)].at(-1)?.[1] ?? 0);
  }

  /** Ends the connection and returns what each end has counted: the one that dialled first. */
  async stop(): Promise<readonly [ByteReport, ByteReport]> {
    const client = readReport(await this.#client.stop());
    await expect.poll(() => this.#server.output(), { timeout: 10_000 }).toContain("}");
    return [client, readReport(await this.#server.stop())];
  }
}

function readReport(output: string): ByteReport {
  return JSON.parse(output.trim().split("\n").at(-1) ?? "") as ByteReport;
}
