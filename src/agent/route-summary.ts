import type { RouteStatus, RouteTally } from "../fib/types.ts";

/** What other programs do to our routes, one sentence for all routes that it befalls. */
export function routeProblems({ counts, contested, firstConflict }: RouteTally): string[] {
  const problems: string[] = [];
  const [firstFight] = contested;
  if (firstFight !== undefined)
    problems.push(
      `another program fights over ${number(contested.length)}, ${first(firstFight)}: ${firstFight.contested}`,
    );
  if (firstConflict !== undefined)
    problems.push(
      `other programs' routes are in the way of ${number(counts.conflict)}, ${first(firstConflict)}: ${firstConflict.reason}`,
    );
  return problems;
}

function number(routes: number): string {
  return routes === 1 ? "1 route" : `${routes} routes`;
}

function first({ route }: RouteStatus): string {
  return `first ${route.prefix}`;
}
