import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";

/** A way to a port of the loopback that can be cut, refused, or made to lose what comes back. */
export class TcpRelay {
  readonly url: string;
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  /** Those of them that lead to the port. */
  readonly #farSockets = new Set<Socket>();
  #refusing = false;
  #swallow: "no" | "after-request" | "now" = "no";

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (socket) => this.#relay(socket));
  }

  static async start(port: number): Promise<TcpRelay> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return new TcpRelay(server, port);
  }

  /** True once an answer was lost. */
  get swallowed(): boolean {
    return this.#swallow === "now";
  }

  dropConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Drops all connections, and every new one at once. */
  refuse(): void {
    this.#refusing = true;
    this.dropConnections();
  }

  accept(): void {
    this.#refusing = false;
  }

  /** Lets nothing come back any more, so that what the port sends piles up, and then all of it. */
  hold(): void {
    for (const socket of this.#farSockets) socket.pause();
  }

  release(): void {
    for (const socket of this.#farSockets) socket.resume();
  }

  /** Lets the next request through and drops the connection when its answer comes. */
  swallowNextAnswer(): void {
    this.#swallow = "after-request";
  }

  close(): void {
    this.#server.close();
    this.dropConnections();
  }

  #relay(near: Socket): void {
    if (this.#refusing) {
      near.destroy();
      return;
    }
    const far = connect(this.#port, "127.0.0.1");
    this.#farSockets.add(far);
    let requested = false;
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        this.#sockets.delete(socket);
        this.#farSockets.delete(socket);
        other.destroy();
      });
    }
    near.on("data", (chunk) => {
      if (this.#swallow === "after-request") requested = true;
      far.write(chunk);
    });
    far.on("data", (chunk) => {
      if (requested && this.#swallow === "after-request") {
        this.#swallow = "now";
        near.destroy();
      } else near.write(chunk);
    });
  }
}
