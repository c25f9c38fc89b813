import { createServer, type Server, type Socket } from "node:net";
import type { TcpConnection, TcpDial, TcpListen, TcpUser } from "./tcp.ts";

/** A connection by node's `net`. */
export class NodeConnection implements TcpConnection {
  readonly localAddress: string | undefined;
  readonly remoteAddress: string | undefined;
  readonly remotePort: number | undefined;
  readonly #socket: Socket;
  #user: TcpUser | undefined;
  #isCorked = false;
  #isBlocked = false;

  /** `socket` is connected, and leaves it to us to close our side (`allowHalfOpen`). */
  constructor(socket: Socket) {
    this.localAddress = socket.localAddress;
    this.remoteAddress = socket.remoteAddress;
    this.remotePort = socket.remotePort;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on("end", () => this.#user?.onEnd());
    socket.on("error", (error) => this.#user?.onError(error));
    socket.on("close", () => this.#user?.onClosed());
  }

  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  get unsentOctets(): number {
    return this.#socket.writableLength;
  }

  use(user: TcpUser): void {
    const isFirst = this.#user === undefined;
    this.#user = user;
    if (this.#socket.closed) process.nextTick(() => user.onClosed());
    else if (isFirst) this.#socket.on("data", (octets) => this.#user?.onOctets(octets));
    else this.resume();
  }

  unread(octets: Uint8Array): void {
    if (!this.isGone) this.#socket.unshift(octets);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  readNow(): void {
    // The event loop alone can tell.
  }

  write(octets: Uint8Array): void {
    const socket = this.#socket;
    if (!socket.writable) return;
    if (!this.#isCorked) {
      this.#isCorked = true;
      socket.cork();
      process.nextTick(this.#flush);
    }
    socket.write(Uint8Array.from(octets), this.#onWritten);
  }

  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  readonly #flush = (): void => {
    this.#isCorked = false;
    this.#socket.uncork();
    if (this.#isBlocked || this.unsentOctets === 0) return;
    this.#isBlocked = true;
    this.#user?.onUnsent();
  };

  /** After each chunk that the kernel took. */
  readonly #onWritten = (error?: Error | null): void => {
    if (error !== undefined && error !== null) return;
    this.#isBlocked = this.unsentOctets > 0;
    this.#user?.onUnsent();
  };
}

/** Connects a fresh socket of node's. Rejects with the error of the system or when `signal` aborts, and destroys the socket. */
export function connectSocket(socket: Socket, request: TcpDial, signal: AbortSignal): Promise<NodeConnection> {
  const { address, port, localAddress, localPort } = request;
  return new Promise((resolve, reject) => {
    const onAbort = () => socket.destroy(new Error("the dial was given up"));
    signal.addEventListener("abort", onAbort);
    socket.once("error", (error) => {
      signal.removeEventListener("abort", onAbort);
      reject(error);
    });
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      resolve(new NodeConnection(socket));
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
  const server = createServer({ allowHalfOpen: true }, (socket) => onConnection(new NodeConnection(socket)));
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
