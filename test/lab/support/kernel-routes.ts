import { expect } from "vitest";
import { RouteProtocol } from "../../../src/netlink/types.ts";
import type { AgentLab } from "./agent-lab.ts";
import { BackgroundProgram } from "./background-program.ts";

/** A route of the node's main table, in the words of `calictl routes -o json`. */
export interface KernelRouteLine {
  readonly prefix: string;
  readonly mode: string;
  readonly nextHop: string | null;
  readonly device: string | null;
  readonly metric: number;
}

interface IpRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly metric?: number;
}

/** The routes of our protocol that the kernel of a node has, by prefix. */
export async function kernelRoutes(agents: AgentLab, node: string): Promise<KernelRouteLine[]> {
  const stdout = await agents.succeed(node, "ip", "-json", "route", "show", "proto", String(RouteProtocol.calibird));
  return (JSON.parse(stdout) as IpRoute[]).map(readRoute).sort((left, right) => (left.prefix < right.prefix ? -1 : 1));
}

function readRoute({ dst, type, gateway, dev, metric }: IpRoute): KernelRouteLine {
  return {
    prefix: dst.includes("/") ? dst : `${dst}/32`,
    mode: type ?? (gateway === undefined ? "device" : "direct"),
    nextHop: gateway ?? null,
    device: dev ?? null,
    metric: metric ?? 0,
  };
}

/** The prefixes of our routes in the kernel of a node, in order. */
export async function kernelPrefixes(agents: AgentLab, node: string): Promise<string[]> {
  return (await kernelRoutes(agents, node)).map(({ prefix }) => prefix);
}

/** Watches every change of a node's routes. */
export class RouteMonitor {
  readonly #program: BackgroundProgram;

  private constructor(program: BackgroundProgram) {
    this.#program = program;
  }

  /** Resolves once it sees the changes of a route that belongs to nobody. */
  static async start(agents: AgentLab, node: string): Promise<RouteMonitor> {
    const program = new BackgroundProgram(agents, node, ["ip", "-N", "-t", "monitor", "route"]);
    // A new route each time: the kernel tells nobody of one that is replaced by its like.
    const probe = async () => {
      for (const verb of ["add", "del"])
        await agents.succeed(node, "ip", "route", verb, "192.0.2.255/32", "dev", "lo", "proto", "static");
      return program.output();
    };
    await expect.poll(probe, { timeout: 10_000 }).toContain("Deleted 192.0.2.255");
    return new RouteMonitor(program);
  }

  /** Stops it; the lines that tell of a deleted route of ours. */
  async deletions(): Promise<string[]> {
    const output = await this.#program.stop();
    expect(output).toContain("Deleted 192.0.2.255");
    return output
      .split("\n")
      .filter((line) => line.startsWith("Deleted ") && line.includes(`proto ${RouteProtocol.calibird} `));
  }
}
