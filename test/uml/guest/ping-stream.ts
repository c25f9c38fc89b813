import { readFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import type { NodeName, TwoSubnets } from "./two-subnets.ts";

/** How a stream of pings went. */
export interface PingReport {
  readonly sent: number;
  /** Sequence numbers without an answer; the last one sent may still be on its way and is not counted. */
  readonly lost: readonly number[];
  /** Answers that say no, such as "Destination Host Unreachable". */
  readonly errors: readonly string[];
}

let counter = 0;

/** Pings from one pod to another, many a second, until it is stopped. */
export class PingStream {
  readonly label: string;
  readonly #output: () => string;
  readonly #interrupt: () => Promise<unknown>;

  private constructor(label: string, output: () => string, interrupt: () => Promise<unknown>) {
    this.label = label;
    this.#output = output;
    this.#interrupt = interrupt;
  }

  /** Resolves once the first answer has come. */
  static async start(cluster: TwoSubnets, from: NodeName, to: NodeName, intervalSec: number): Promise<PingStream> {
    const [source, target] = await Promise.all([cluster.pod(from), cluster.pod(to)]);
    const file = `pings-${counter++}`;
    const ping = ["ip", "netns", "exec", source.name, "ping", "-n", "-i", String(intervalSec), target.address];
    // The shell's process id, as the node counts, becomes ping's.
    const script = `echo $$ > /run/calibird/${file}.pid; exec "$@" > /run/calibird/${file} 2>&1`;
    const ended = cluster.lab.exec(from, ["sh", "-c", script, "sh", ...ping]);
    const path = join(cluster.lab.nodes.find(({ name }) => name === from)?.runDirectory ?? "", file);
    const output = () => readFileSync(path, "utf8");
    await eventually(async () => (output().includes("icmp_seq=1 ") ? [] : ["no answer yet"]), 10_000);
    return new PingStream(`${source.name} -> ${target.name}`, output, async () => {
      await cluster.run(from, "kill", "-INT", readFileSync(`${path}.pid`, "utf8").trim());
      await ended;
    });
  }

  /**
   * Resolves when so many more pings have been answered, with the number of the last one: what is sent from then on may
   * still be on its way when the stream is stopped, if answers take longer than the time between two pings.
   */
  async flows(more: number): Promise<number> {
    const last = () => Math.max(0, ...this.#answered());
    const wanted = last() + more;
    await eventually(async () => (last() >= wanted ? [] : [`${this.label}: ${last()} of ${wanted} answered`]), 20_000);
    return last();
  }

  async stop(): Promise<PingReport> {
    await this.#interrupt();
    const output = this.#output();
    const answered = new Set(this.#answered());
    const sent = Number(/^(\d+) packets transmitted/m.exec(output)?.[1]);
    if (!(sent > 0)) throw new Error(`ping did not report: ${output.slice(-300)}`);
    const lost = Array.from({ length: sent - 1 }, (_, index) => index + 1).filter((number) => !answered.has(number));
    return { sent, lost, errors: output.split("\n").filter((line) => /^From /.test(line)) };
  }

  #answered(): number[] {
    return [...this.#output().matchAll(/^\d+ bytes from .* icmp_seq=(\d+) /gm)].map((match) => Number(match[1]));
  }
}
