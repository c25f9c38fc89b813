import { CalibirdError } from "../../core/errors.ts";
import { type RemovalParts, removeResource } from "../../ipam/removal.ts";
import { invalidResource } from "../../resources/errors.ts";
import { findKind, kinds, type ResourceKind, requireEditable } from "../../resources/kinds.ts";
import { readResource } from "../../resources/resource.ts";
import type { ApiRequest, ApiRoute } from "./unix-server.ts";

/** `/v1/resources…` of the agent's socket: reading and changing the cluster's resources. */
export function resourceRoutes(parts: RemovalParts): ApiRoute[] {
  const { client } = parts;
  return [
    {
      method: "GET",
      path: "/v1/resources/:kind",
      handle: async ({ params, query }) => {
        const kind = findKind(params.kind ?? "");
        return (await client.list(kind, query.get("namespace") ?? undefined)).resources;
      },
    },
    {
      method: "GET",
      path: "/v1/resources/:kind/:name",
      handle: (request) => {
        const { kind, name, namespace } = reference(request);
        return client.get(kind, name, namespace);
      },
    },
    {
      method: "PUT",
      path: "/v1/resources",
      handle: async ({ body }) => {
        const result = readResource(body, { unknownFields: "report", rules: true });
        if (!("resource" in result)) throw invalidResource("resource", result.problems);
        requireEditable(result.resource.kind);
        return client.apply(result.resource);
      },
    },
    {
      method: "DELETE",
      path: "/v1/resources/:kind/:name",
      handle: async (request) => {
        const { kind, name, namespace } = reference(request);
        requireEditable(kind);
        try {
          await removeResource(parts, kind, name, namespace === undefined ? {} : { namespace });
          return { deleted: true };
        } catch (error) {
          const missing = error instanceof CalibirdError && error.code === "RESOURCE_NOT_FOUND";
          if (!missing || request.query.get("skipNotExists") !== "true") throw error;
          return { deleted: false };
        }
      },
    },
  ];
}

function reference({ params, query }: ApiRequest): { kind: ResourceKind; name: string; namespace: string | undefined } {
  const kind = findKind(params.kind ?? "");
  const namespace = kinds[kind].namespaced ? (query.get("namespace") ?? "default") : undefined;
  return { kind, name: params.name ?? "", namespace };
}
