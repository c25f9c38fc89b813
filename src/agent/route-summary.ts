import type { RouteState, RouteStatus } from "../fib/types.ts";

export interface RouteSummary {
  readonly counts: Readonly<Record<RouteState, number>>;
  /** What other programs do to our routes, one sentence for all routes that it befalls. */
  readonly problems: readonly string[];
}

/** Counts the routes of each state, and those that other programs fight over or stand in the way of. */
export function summarizeRoutes(statuses: Iterable<RouteStatus>): RouteSummary {
  const counts: Record<RouteState, number> = {
    installed: 0,
    pending: 0,
    conflict: 0,
    stale: 0,
    unresolved: 0,
    filtered: 0,
  };
  let fights = 0;
  let firstFight: RouteStatus | undefined;
  let firstConflict: RouteStatus | undefined;
  for (const status of statuses) {
    counts[status.state]++;
    if (status.state === "conflict") firstConflict ??= status;
    if (status.contested === undefined) continue;
    fights++;
    firstFight ??= status;
  }
  const problems: string[] = [];
  if (firstFight !== undefined)
    problems.push(`another program fights over ${number(fights)}, ${first(firstFight)}: ${firstFight.contested}`);
  if (firstConflict !== undefined)
    problems.push(
      `other programs' routes are in the way of ${number(counts.conflict)}, ${first(firstConflict)}: ${firstConflict.reason}`,
    );
  return { counts, problems };
}

function number(routes: number): string {
  return routes === 1 ? "1 route" : `${routes} routes`;
}

function first({ route }: RouteStatus): string {
  return `first ${route.prefix}`;
}
