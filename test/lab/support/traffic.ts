import { expect } from "vitest";
import { ByteStream } from "./byte-stream.ts";
import { PingStream } from "./ping-stream.ts";
import type { SubnetLab } from "./subnet-lab.ts";
import { type SubnetNode, subnetNodes } from "./subnet-routes.ts";

/** How often pings are sent between pods of the pool that changes, and between those of the one that does not. */
const intervalSec = 0.002;
const stillIntervalSec = 0.02;

/** What all flows have counted. */
export interface TrafficReport {
  readonly pings: number;
  readonly octets: number;
  readonly duplicates: number;
  readonly reordered: number;
}

/** Flows between pods while something happens to the nodes. */
export class Traffic {
  readonly #pings: readonly PingStream[];
  readonly #streams: readonly ByteStream[];
  #ended = false;

  private constructor(pings: readonly PingStream[], streams: readonly ByteStream[]) {
    this.#pings = pings;
    this.#streams = streams;
  }

  /**
   * Pings in both directions between the pods of all these nodes, in each of the two pools, and a TCP connection in the
   * first pool between each pair of them.
   */
  static async start(subnets: SubnetLab, nodes: readonly SubnetNode[] = subnetNodes): Promise<Traffic> {
    const pairs = nodes.flatMap((from) => nodes.flatMap((to) => (from === to ? [] : [[from, to] as const])));
    const ping = (from: SubnetNode, to: SubnetNode, pod: string, everySec: number) =>
      PingStream.start(subnets, { node: from, pod: `${from}-${pod}` }, subnets.addressOf(`${to}-${pod}`), everySec);
    const pings = [
      ...pairs.map(([from, to]) => ping(from, to, "a", intervalSec)),
      ...pairs.map(([from, to]) => ping(from, to, "b", stillIntervalSec)),
    ];
    const streams = pairs
      .filter(([from, to]) => from < to)
      .map(([from, to]) => {
        const server = { node: to, pod: `${to}-a`, address: subnets.addressOf(`${to}-a`) };
        return ByteStream.start(subnets, { node: from, pod: `${from}-a` }, server);
      });
    return new Traffic(await Promise.all(pings), await Promise.all(streams));
  }

  /** Resolves when each of the pings has had so many answers more. */
  async goesOn(answers: number): Promise<void> {
    const before = this.#pings.map((ping) => ping.answers());
    const slowest = () => Math.min(...this.#pings.map((ping, index) => ping.answers() - (before[index] ?? 0)));
    await expect.poll(slowest, { timeout: 10_000 }).toBeGreaterThan(answers);
  }

  /** Ends all flows, if that has not been done, whatever they have to say. */
  async abandon(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await Promise.allSettled([...this.#pings, ...this.#streams].map((flow) => flow.stop()));
  }

  /** Ends all flows and fails if one of them has lost a packet or an octet, was reset, or did not get anywhere. */
  async endsWhole(): Promise<TrafficReport> {
    this.#ended = true;
    const pings = await Promise.all(this.#pings.map(async (ping) => ({ label: ping.label, ...(await ping.stop()) })));
    const ends = (await Promise.all(this.#streams.map((stream) => stream.stop()))).flat();
    expect(pings.filter(({ lost, errors }) => lost.length > 0 || errors.length > 0)).toEqual([]);
    expect(pings.filter(({ sent }) => sent < 20)).toEqual([]);
    for (const [index, end] of ends.entries()) {
      // The ends of one connection are neighbours.
      const other = ends[index ^ 1];
      expect(end).toMatchObject({ received: other?.sent, wrong: null, error: null });
      expect(end.received).toBeGreaterThan(100_000);
    }
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
    return {
      pings: sum(pings.map(({ sent }) => sent)),
      octets: sum(ends.map(({ received }) => received)),
      duplicates: sum(pings.map(({ duplicates }) => duplicates)),
      reordered: sum(pings.map(({ reordered }) => reordered)),
    };
  }
}
