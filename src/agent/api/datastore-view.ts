import type { DescribedDatastore } from "../../datastore/datastore.ts";
import type { DatastoreView } from "./views.ts";

export function datastoreView({ reachable, description }: DescribedDatastore): DatastoreView {
  const { kind, places, member = null, lastError } = description;
  return {
    kind,
    places: [...places],
    member,
    reachable,
    lastError:
      lastError === undefined ? null : { at: new Date(lastError.atMs).toISOString(), message: lastError.message },
  };
}
