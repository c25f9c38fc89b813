import { createServer, type Server, type Socket } from "node:net";
import type { TcpDial, TcpListen } from "./tcp.ts";

/** Connects a fresh socket of node's. Rejects with the error of the system or when `signal` aborts, and destroys the socket. */
export function connectSocket(socket: Socket, request: TcpDial, signal: AbortSignal): Promise<Socket> {
  const { address, port, localAddress, localPort } = request;
  return new Promise((resolve, reject) => {
    const onAbort = () => socket.destroy(new Error("the dial was given up"));
    signal.addEventListener("abort", onAbort);
    // Stays: an error that comes before the session has taken the socket over must not be an uncaught one.
    socket.on("error", (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    });
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      resolve(socket);
    });
    socket.connect({
      host: address,
      port,
      ...(localAddress !== undefined && { localAddress }),
      ...(localPort !== undefined && { localPort }),
    });
    if (signal.aborted) onAbort();
  });
}

/** A server that has begun to listen by what `listen` does, with its port. Rejects with the error of the system. */
export function startServer(
  { onConnection, onError }: TcpListen,
  listen: (server: Server) => void,
): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(onConnection);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.once("listening", () => {
      server.removeAllListeners("error");
      server.on("error", onError);
      const address = server.address();
      if (typeof address === "object" && address !== null) resolve({ server, port: address.port });
      else reject(new Error("the server is closed already"));
    });
    listen(server);
  });
}
