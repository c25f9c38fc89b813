import { Socket } from "node:net";
import type { TcpOptions, TcpSockets } from "../../core/tcp.ts";
import { connectSocket, startServer } from "../../core/tcp-node.ts";

/** Everything that needs system calls which node does not make. */
const beyondNode = ["device", "ttl", "minimumTtl", "userTimeoutMs", "key"] as const satisfies (keyof TcpOptions)[];

/** TCP by node's `net` alone, which has none of the options: enough for a speaker without root and without native code. */
export const plainSockets: TcpSockets = {
  refusal(options) {
    const missing = beyondNode.filter((name) => options[name] !== undefined);
    return missing.length === 0 ? undefined : `${missing.join(", ")}: plain sockets of node have no such option`;
  },
  dial: (request, signal) => connectSocket(new Socket({ allowHalfOpen: true }), request, signal),
  async listen(request) {
    const { address, port: wanted, backlog } = request;
    const { server, port } = await startServer(request, (fresh) =>
      fresh.listen({ port: wanted, backlog, ...(address !== undefined && { host: address }) }),
    );
    return { port, setKey: refuseKey, close: () => server.close() };
  },
  prepare(_connection, { key }) {
    if (key !== undefined) refuseKey();
  },
  changeKey: refuseKey,
};

/** `refusal` has said so to whoever asked. */
function refuseKey(): never {
  throw new TypeError("plain sockets of node have no keys");
}
