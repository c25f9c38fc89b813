import type { PodManager, PodRequest } from "../pods/pod-manager.ts";
import type { PodRecord } from "../pods/pod-record.ts";
import { ApiError, type ApiRoute } from "./unix-server.ts";
import type { PodView } from "./views.ts";

/** `/v1/pods…` of the agent's socket: pods without a container runtime. */
export function podRoutes(pods: PodManager): ApiRoute[] {
  return [
    { method: "GET", path: "/v1/pods", handle: () => pods.list().map(podView) },
    { method: "POST", path: "/v1/pods", handle: async ({ body }) => podView(await pods.add(readRequest(body))) },
    {
      method: "DELETE",
      path: "/v1/pods/:namespace/:name",
      handle: ({ params }) => pods.remove(params.namespace ?? "", params.name ?? ""),
    },
  ];
}

function podView(pod: PodRecord): PodView {
  return {
    namespace: pod.namespace,
    name: pod.name,
    addresses: pod.addresses.map(String),
    interface: pod.hostInterface,
    macAddress: pod.macAddress ?? null,
    networkNamespace: pod.namespacePath ?? null,
  };
}

/** What a pod, and what a namespace, may be called. */
export const podLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const fileName = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$/;

function readRequest(body: unknown): PodRequest {
  const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const { namespace, name, networkNamespace, annotations } = fields;
  const text = (field: string, value: unknown, pattern: RegExp, right: string): string => {
    if (typeof value === "string" && pattern.test(value)) return value;
    throw new ApiError("INVALID_REQUEST", `${field} ${JSON.stringify(value)} must be ${right}`, { field, value });
  };
  const labelText = "1 to 63 lower-case letters, digits and '-'";
  return {
    namespace: text("namespace", namespace, podLabel, labelText),
    name: text("name", name, podLabel, labelText),
    ...(networkNamespace !== undefined && {
      networkNamespace: text("networkNamespace", networkNamespace, fileName, "a file name of letters, digits, '_.-'"),
    }),
    ...(annotations !== undefined && { annotations: readAnnotations(annotations) }),
  };
}

function readAnnotations(value: unknown): Record<string, string> {
  const entries = Object.entries(typeof value === "object" && value !== null ? value : {});
  if (typeof value === "object" && entries.every((entry): entry is [string, string] => typeof entry[1] === "string"))
    return Object.fromEntries(entries);
  const right = "must be an object of texts";
  throw new ApiError("INVALID_REQUEST", `annotations ${JSON.stringify(value)} ${right}`, {
    field: "annotations",
    value,
  });
}
