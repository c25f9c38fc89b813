import type { DatastoreDescription } from "../../datastore/datastore.ts";
import type { DatastoreView } from "./views.ts";

/** What a status says of the datastore; `asOfMs` and the times of the description are Unix times in milliseconds. */
export function datastoreView(store: {
  readonly reachable: boolean;
  readonly locked: boolean;
  readonly asOfMs: number | undefined;
  readonly description: DatastoreDescription;
}): DatastoreView {
  const { reachable, locked, asOfMs, description } = store;
  const { kind, places, member = null, lastError } = description;
  return {
    kind,
    places: [...places],
    member,
    reachable,
    locked,
    asOf: asOfMs === undefined ? null : timeOf(asOfMs),
    lastError: lastError === undefined ? null : { at: timeOf(lastError.atMs), message: lastError.message },
  };
}

/** What an operator should know of the datastore, one sentence each. */
export function datastoreProblems({
  locked,
  reachable,
}: {
  readonly locked: boolean;
  readonly reachable: boolean;
}): string[] {
  return [
    ...(locked ? ["the datastore is locked (datastoreReady: false): nothing is changed until it is unlocked"] : []),
    ...(reachable ? [] : ["the datastore can't be reached: routes and sessions go on, pods can't be made"]),
  ];
}

function timeOf(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
