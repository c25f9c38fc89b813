import { ratio, type SummaryTable } from "./results.ts";
import type { Cells } from "./tables.ts";

/** What calibird wants to reach in one column of a scenario. */
interface Goal {
  readonly scenario: string;
  /** Undefined: every size. */
  readonly size?: number;
  /** Key of the column. */
  readonly key: string;
  /** What is measured, for people. */
  readonly what: string;
  /** Whose value ours is divided by: one contender, or the best daemon. Absent: the value itself counts. */
  readonly against?: "bird" | "daemons" | "kernel-writer";
  readonly wanted: number;
  /** What must hold in any case; absent if nothing was promised. */
  readonly atMost?: number;
}

const names = { bird: "BIRD", daemons: "best daemon", "kernel-writer": "netlink only" } as const;

/** Less is better everywhere. */
const goals: readonly Goal[] = [
  { scenario: "full-table", key: "announce_s", what: "time", against: "bird", wanted: 0.35, atMost: 0.5 },
  { scenario: "full-table", key: "announce_settled_cpu_s", what: "CPU", against: "bird", wanted: 0.35, atMost: 0.5 },
  { scenario: "full-table", key: "announce_peak_mib", what: "memory", against: "bird", wanted: 1, atMost: 1.25 },
  { scenario: "reflector", key: "all_to_all_s", what: "time", against: "daemons", wanted: 0.35, atMost: 0.7 },
  { scenario: "reflector", key: "all_to_all_s", what: "time", against: "bird", wanted: 0.07 },
  { scenario: "connect", size: 500, key: "connect_s", what: "all up, s", wanted: 0.2, atMost: 1 },
  { scenario: "switch-over", key: "switch_s", what: "time", against: "bird", wanted: 0.1, atMost: 0.25 },
  { scenario: "switch-over", key: "switch_peak_mib", what: "memory", against: "bird", wanted: 0.8, atMost: 1.25 },
  { scenario: "mesh-node", key: "learn_s", what: "time", against: "bird", wanted: 0.4, atMost: 0.8 },
  { scenario: "to-kernel", size: 100_000, key: "install_s", what: "time", against: "bird", wanted: 0.4, atMost: 0.7 },
  { scenario: "to-kernel", size: 500_000, key: "install_s", what: "time", against: "bird", wanted: 0.35, atMost: 0.7 },
  { scenario: "to-kernel", key: "install_s", what: "time", against: "kernel-writer", wanted: 1.15 },
  { scenario: "churn", key: "changes_p99_ms", what: "p99", against: "bird", wanted: 1, atMost: 1 },
  { scenario: "churn", key: "changes_cpu_share", what: "CPU", against: "bird", wanted: 0.5, atMost: 1 },
];

/** How far calibird is from its goals in what was measured, as a table; only a head if none of them was. */
export function goalTable(tables: readonly SummaryTable[]): Cells {
  const rows = goals.flatMap((goal) =>
    tables
      .filter(({ scenario, size }) => scenario === goal.scenario && (goal.size ?? size) === size)
      .flatMap((table) => {
        const reached = reachedIn(table, goal);
        return reached === undefined ? [] : [rowOf(goal, table, reached)];
      }),
  );
  return [["", "wanted", "at most", "here", ""], ...rows];
}

function reachedIn(table: SummaryTable, { key, against }: Goal): number | undefined {
  if (against !== undefined) return ratio(table, key, against);
  return table.rows.find(({ contender }) => contender === "calibird")?.values[key];
}

function rowOf({ what, against, wanted, atMost }: Goal, { scenario, size }: SummaryTable, reached: number): string[] {
  const unit = against === undefined ? "" : " x";
  const text = (value: number) => `${value.toFixed(2)}${unit}`;
  const verdict = reached <= wanted ? "reached" : reached <= (atMost ?? wanted) ? "near" : "missed";
  return [
    `${scenario} ${size.toLocaleString("en")}: ${what}${against === undefined ? "" : ` / ${names[against]}`}`,
    text(wanted),
    atMost === undefined ? "" : text(atMost),
    text(reached),
    verdict,
  ];
}
