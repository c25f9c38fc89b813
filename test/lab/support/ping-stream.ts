import { expect } from "vitest";
import { BackgroundProgram, type ProgramHost } from "./background-program.ts";

/** How a stream of pings went. */
export interface PingReport {
  readonly sent: number;
  /** Sequence numbers without an answer, as runs `3-5`; those of the last moment may still be on their way and do not count. */
  readonly lost: readonly string[];
  /** Answers that came again, and answers that came after a later one. */
  readonly duplicates: number;
  readonly reordered: number;
  /** Answers that say no, such as "Destination Host Unreachable". */
  readonly errors: readonly string[];
}

/** Pings from a pod, many a second, until it is stopped. */
export class PingStream {
  readonly label: string;
  readonly #program: BackgroundProgram;
  readonly #intervalSec: number;

  private constructor(label: string, program: BackgroundProgram, intervalSec: number) {
    this.label = label;
    this.#program = program;
    this.#intervalSec = intervalSec;
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
    return new PingStream(`${from.pod} -> ${address}`, program, intervalSec);
  }

  /** How many answers have come so far. */
  answers(): number {
    return Number(/icmp_seq=(\d+) [^\n]*\n[^\n]*$/.exec(this.#program.output().slice(-300))?.[1] ?? 0);
  }

  async stop(): Promise<PingReport> {
    return readPings(await this.#program.stop(), Math.max(1, Math.ceil(lastMomentSec / this.#intervalSec)));
  }
}

/** The end of a stream is no change that could lose packets, so an answer may take this long when it comes. */
const lastMomentSec = 0.05;

function readPings(output: string, mayBeOnTheirWay: number): PingReport {
  const answers = [...output.matchAll(/^\d+ bytes from .* icmp_seq=(\d+) /gm)].map((match) => Number(match[1]));
  const answered = new Set(answers);
  const reordered = answers.filter((sequence, index) => sequence < (answers[index - 1] ?? 0)).length;
  const sent = Number(/^(\d+) packets transmitted/m.exec(output)?.[1]);
  expect(sent, output.slice(-300)).toBeGreaterThan(0);
  const lost: string[] = [];
  const last = Math.max(sent - mayBeOnTheirWay, ...answers.slice(-1));
  for (let first = 1; first <= last; first++) {
    let end = first;
    while (end <= last && !answered.has(end)) end++;
    if (end > first) lost.push(`${first}-${end - 1}`);
    first = end;
  }
  const duplicates = answers.length - answered.size;
  return { sent, lost, duplicates, reordered, errors: output.split("\n").filter((line) => /^From /.test(line)) };
}
