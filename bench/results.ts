import type { Values } from "./bench-program.ts";
import { medians } from "./statistics.ts";

/** One run of one contender. */
export interface Run {
  readonly scenario: string;
  readonly size: number;
  readonly contender: string;
  readonly label: string;
  readonly round: number;
  /** Cores that were in use right before it. */
  readonly busy: number;
  readonly values: Values;
  /** Why there are no values. */
  readonly error?: string;
}

/** Everything that a benchmark has found out; what `--json` writes. */
export interface Report {
  readonly startedAt: string;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly kernel: string;
    readonly node: string;
  };
  /** Version lines of the contenders, by name. */
  readonly versions: Readonly<Record<string, string>>;
  readonly runs: readonly Run[];
}

/** One contender's medians in one scenario of one size. */
export interface Summary {
  readonly contender: string;
  readonly label: string;
  readonly rounds: number;
  readonly values: Values;
  /** What went wrong in a run, if something did. */
  readonly error?: string;
}

/** The contenders of one table, in the order in which they ran. */
export interface SummaryTable {
  readonly scenario: string;
  readonly size: number;
  readonly rows: readonly Summary[];
}

/** Groups runs by scenario and size, and takes the medians of each contender's. */
export function summarize(runs: readonly Run[]): SummaryTable[] {
  const tables: SummaryTable[] = [];
  for (const [key, ofTable] of groupBy(runs, ({ scenario, size }) => `${scenario} ${size}`)) {
    const [first] = ofTable;
    if (first === undefined) throw new Error(`nothing ran in ${key}`);
    const rows = [...groupBy(ofTable, ({ label }) => label).values()].map((ofRow) => summaryOf(ofRow));
    tables.push({ scenario: first.scenario, size: first.size, rows });
  }
  return tables;
}

function summaryOf(runs: readonly Run[]): Summary {
  const failed = runs.find(({ error }) => error !== undefined);
  return {
    contender: runs[0]?.contender ?? "",
    label: runs[0]?.label ?? "",
    rounds: runs.length,
    values: medians(runs.filter(({ error }) => error === undefined).map(({ values }) => values)),
    ...(failed?.error === undefined ? {} : { error: failed.error }),
  };
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** calibird's value divided by that of the best daemon, or of one contender; undefined where one of the two is missing. */
export function ratio(table: SummaryTable, key: string, against: "daemons" | string): number | undefined {
  const own = table.rows.find(({ contender }) => contender === "calibird")?.values[key];
  const others = table.rows
    .filter(({ contender }) =>
      against === "daemons" ? contender !== "calibird" && !limits.has(contender) : contender === against,
    )
    .flatMap(({ values }) => values[key] ?? []);
  if (own === undefined || others.length === 0) return undefined;
  const best = Math.min(...others);
  return best > 0 ? own / best : undefined;
}

/** Contenders that show how far one can get, and are no BGP speakers. */
export const limits: ReadonlySet<string> = new Set(["null-relay", "kernel-writer"]);
