import { expect } from "vitest";
import { BackgroundProgram, type ProgramHost } from "./background-program.ts";

/** How a stream of pings went. */
export interface PingReport {
  readonly sent: number;
  /** Sequence numbers without an answer, as runs `3-5`; the last one sent may still be on its way and is not counted. */
  readonly lost: readonly string[];
  /** Answers that say no, such as "Destination Host Unreachable". */
  readonly errors: readonly string[];
}

/** Pings from a pod, many a second, until it is stopped. */
export class PingStream {
  readonly label: string;
  readonly #program: BackgroundProgram;

  private constructor(label: string, program: BackgroundProgram) {
    this.label = label;
    this.#program = program;
  }

  /** Resolves once the first answer has come. The pod's namespace has the pod's name. */
  static async start(
    agents: ProgramHost,
    from: { readonly node: string; readonly pod: string },
    address: string,
    intervalSec: number,
  ): Promise<PingStream> {
    const ping = ["ping", "-n", "-i", String(intervalSec), address];
    const program = new BackgroundProgram(agents, from.node, ["ip", "netns", "exec", from.pod, ...ping]);
    await expect.poll(() => program.output(), { timeout: 10_000 }).toContain("icmp_seq=1 ");
    return new PingStream(`${from.pod} -> ${address}`, program);
  }

  async stop(): Promise<PingReport> {
    return readPings(await this.#program.stop());
  }
}

function readPings(output: string): PingReport {
  const answered = new Set(
    [...output.matchAll(/^\d+ bytes from .* icmp_seq=(\d+) /gm)].map((match) => Number(match[1])),
  );
  const sent = Number(/^(\d+) packets transmitted/m.exec(output)?.[1]);
  expect(sent, output.slice(-300)).toBeGreaterThan(0);
  const lost: string[] = [];
  for (let first = 1; first < sent; first++) {
    let end = first;
    while (end < sent && !answered.has(end)) end++;
    if (end > first) lost.push(`${first}-${end - 1}`);
    first = end;
  }
  return { sent, lost, errors: output.split("\n").filter((line) => /^From /.test(line)) };
}
