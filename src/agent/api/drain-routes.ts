import { ApiError, type ApiRoute } from "./unix-server.ts";

/** Longest text that fits into the NOTIFICATION (RFC 9003 §2), in octets of UTF-8. */
const longestMessage = 255;

/** What can be drained: the node's BGP sessions. */
export interface Drainable {
  /** Shuts all sessions down with Cease 6/2 and this text. */
  drain(message: string): void;
  undrain(): void;
}

/** `/v1/node/drain` of the agent's socket: a node that shall get no traffic any more. */
export function drainRoutes(sessions: Drainable): ApiRoute[] {
  return [
    {
      method: "POST",
      path: "/v1/node/drain",
      handle: ({ body }) => {
        sessions.drain(readMessage(body));
        return { drained: true };
      },
    },
    {
      method: "DELETE",
      path: "/v1/node/drain",
      handle: () => {
        sessions.undrain();
        return { drained: false };
      },
    },
  ];
}

function readMessage(body: unknown): string {
  const value = typeof body === "object" && body !== null && "message" in body ? body.message : "";
  if (typeof value === "string" && Buffer.byteLength(value) <= longestMessage) return value;
  throw new ApiError("INVALID_REQUEST", `message must be a text of at most ${longestMessage} octets`, {
    field: "message",
    value,
  });
}
