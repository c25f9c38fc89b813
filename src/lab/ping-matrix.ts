import { setTimeout as delay } from "node:timers/promises";
import type { Lab } from "./lab.ts";
import { formatColumns } from "./status-table.ts";

/** Where a ping starts: a pod's namespace inside a node. */
export interface PingSource {
  readonly label: string;
  readonly node: string;
  /** Name of the pod's network namespace, as the node sees it. */
  readonly namespace: string;
}

export interface PingTarget {
  readonly label: string;
  readonly address: string;
}

/** How one ping went; no time if no answer came. */
export interface PingResult {
  readonly source: PingSource;
  readonly target: PingTarget;
  readonly milliseconds?: number;
}

/**
 * Pings every target from every source, all at the same time. A ping without an answer is repeated until the time is over,
 * because routes reach the kernel a moment after their session is up.
 */
export async function pingAll(
  lab: Lab,
  sources: readonly PingSource[],
  targets: readonly PingTarget[],
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<PingResult[]> {
  const end = performance.now() + options.timeoutMs;
  const pairs = sources.flatMap((source) =>
    targets.filter((target) => target.label !== source.label).map((target) => ({ source, target })),
  );
  return Promise.all(
    pairs.map(async ({ source, target }) => {
      for (;;) {
        const argv = ["ip", "netns", "exec", source.namespace, "ping", "-n", "-c1", "-W1", target.address];
        const { code, stdout } = await lab.exec(source.node, argv, { signal: options.signal });
        const time = /time[=<]([\d.]+) ms/.exec(stdout)?.[1];
        if (code === 0 && time !== undefined) return { source, target, milliseconds: Number(time) };
        if (performance.now() >= end) return { source, target };
        await delay(100, undefined, { signal: options.signal });
      }
    }),
  );
}

/** The results as a table: a line per source, a column per target. */
export function formatPings(results: readonly PingResult[]): string {
  const sources = [...new Set(results.map(({ source }) => source.label))];
  // Columns in the order of the lines, then what no ping starts from.
  const rank = (label: string) => (sources.includes(label) ? sources.indexOf(label) : sources.length);
  const targets = [...new Map(results.map(({ target }) => [target.label, target])).values()].sort(
    (left, right) => rank(left.label) - rank(right.label),
  );
  const cell = (source: string, target: string) => {
    const result = results.find((entry) => entry.source.label === source && entry.target.label === target);
    if (result === undefined) return "-";
    return result.milliseconds === undefined ? "LOST" : `${result.milliseconds.toFixed(2)} ms`;
  };
  return formatColumns([
    ["FROM \\ TO", ...targets.map(({ label, address }) => (label === address ? address : `${label} ${address}`))],
    ...sources.map((source) => [source, ...targets.map((target) => cell(source, target.label))]),
  ]);
}
