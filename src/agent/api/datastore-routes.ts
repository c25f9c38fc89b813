import type { Datastore } from "../../datastore/datastore.ts";
import { DatastoreError } from "../../datastore/errors.ts";
import { readBigint, readFields, readText, readTransaction } from "../../datastore/json-form.ts";
import type { ApiRequest, ApiRoute, StreamRoute } from "./unix-server.ts";

/**
 * `/v1/datastore…` of the agent's socket: the cluster's datastore for those who run on this node and have no connection of their
 * own, such as calictl where nothing else is configured. Keys, values and transactions as `Datastore` has them.
 */
export function datastoreRoutes(datastore: Datastore): ApiRoute[] {
  return [
    { method: "GET", path: "/v1/datastore/key", handle: ({ query }) => datastore.get(parameter(query, "key")) },
    { method: "GET", path: "/v1/datastore/keys", handle: ({ query }) => datastore.list(parameter(query, "prefix")) },
    {
      method: "POST",
      path: "/v1/datastore/transactions",
      handle: ({ body }) => datastore.transact(readTransaction(body)),
    },
    {
      method: "POST",
      path: "/v1/datastore/leases",
      handle: async ({ body }) => ({ lease: await datastore.grantLease(Number(readFields(body, "body").ttlSec)) }),
    },
    {
      method: "PUT",
      path: "/v1/datastore/leases/:lease",
      handle: (request) => datastore.keepLeaseAlive(lease(request)),
    },
    {
      method: "DELETE",
      path: "/v1/datastore/leases/:lease",
      handle: (request) => datastore.revokeLease(lease(request)),
    },
  ];
}

/** `/v1/datastore/watch?prefix=P&from=REVISION`: events `changes` (`events`, `revision`), and `compacted` as the last one. */
export function datastoreStreams(datastore: Datastore): StreamRoute[] {
  return [
    {
      path: "/v1/datastore/watch",
      open(send, query) {
        const from = readBigint(parameter(query, "from"), "from");
        const watch = datastore.watch(parameter(query, "prefix"), from, {
          onEvents: (events, revision) => send("changes", { events, revision }),
          onCompacted: (revision) => send("compacted", { revision }),
        });
        return () => watch.cancel();
      },
    },
  ];
}

function parameter(query: URLSearchParams, name: string): string {
  return readText(query.get(name) ?? undefined, name);
}

function lease({ params }: ApiRequest): bigint {
  const text = params.lease ?? "";
  if (!/^\d{1,19}$/.test(text))
    throw new DatastoreError("INVALID_REQUEST", `"${text}" is no lease; a lease is a number`, { value: text });
  return BigInt(text);
}
