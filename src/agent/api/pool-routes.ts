import type { PoolModeChanger } from "../pools/pool-modes.ts";
import { ApiError, type ApiRoute } from "./unix-server.ts";

const modes = ["Never", "Always", "CrossSubnet"] as const;
const tunnels = ["ipip", "vxlan", "udp"] as const;

/** `/v1/pools…` of the agent's socket: live changes of a pool's mode. */
export function poolRoutes(changer: PoolModeChanger): ApiRoute[] {
  return [
    {
      method: "POST",
      path: "/v1/pools/:name/mode",
      handle: ({ params, body }) => {
        const fields = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
        const tunnel = fields.tunnel === undefined ? undefined : oneOf("tunnel", fields.tunnel, tunnels);
        return changer.setMode({
          pool: params.name ?? "",
          mode: oneOf("mode", fields.mode, modes),
          ...(tunnel !== undefined && { tunnel }),
          dryRun: fields.dryRun === true,
        });
      },
    },
  ];
}

function oneOf<Value extends string>(field: string, value: unknown, known: readonly Value[]): Value {
  const found = known.find((candidate) => candidate === value);
  if (found !== undefined) return found;
  throw new ApiError("INVALID_REQUEST", `${field} ${JSON.stringify(value)} must be one of ${known.join(", ")}`, {
    field,
    value,
  });
}
