import type { EventHub } from "../event-hub.ts";
import type { StatusSource } from "../status-source.ts";
import type { ApiRoute, StreamRoute } from "./unix-server.ts";

/** What everybody may ask on status.sock; docs/openapi.yaml describes it. */
export function statusRoutes(source: StatusSource): ApiRoute[] {
  return [
    { method: "GET", path: "/v1/routes", handle: () => source.routes() },
    { method: "GET", path: "/v1/route-differences", handle: () => source.differences() },
    { method: "GET", path: "/v1/peers", handle: () => source.peers() },
    ...(["received", "advertised"] as const).map(
      (direction): ApiRoute => ({
        method: "GET",
        path: `/v1/peers/:peer/${direction}`,
        handle: ({ params, query }) => source.peerRoutes(params.peer ?? "", direction, query),
      }),
    ),
    { method: "GET", path: "/v1/node", handle: () => source.node() },
    { method: "GET", path: "/v1/status", handle: () => source.status() },
    { method: "GET", path: "/v1/ipam", handle: () => source.blocks() },
    { method: "GET", path: "/v1/ipam/audit", handle: () => source.ipamAudit() },
    { method: "GET", path: "/v1/history", handle: ({ query }) => source.history(query) },
    {
      method: "GET",
      path: "/v1/explain/:target*",
      handle: ({ params }) => source.explain(params.target ?? ""),
    },
  ];
}

/** Changes as they happen. */
export function statusStreams(events: EventHub): StreamRoute[] {
  return [{ path: "/v1/events", open: (send) => events.subscribe(send) }];
}
