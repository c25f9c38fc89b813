import { createServer, type Server, type Socket } from "node:net";
import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { IpAddress } from "../../net/address.ts";
import { BgpError } from "../errors.ts";
import { encodeNotification } from "../packet/notification.ts";
import { closeGently } from "./close-gently.ts";
import { socketAddress } from "./socket-address.ts";
import { errnoOf } from "./tcp-error.ts";

/** A reflector's restart brings all its clients at once; node's 511 and the usual 128 overflow (the kernel caps at somaxconn). */
const backlog = 4096;

/** Strangers that may be told why at the same time; more are closed at once. */
const maxRefusals = 256;

const connectionRejected = encodeNotification({ code: 6, subcode: 5, data: new Uint8Array(0) });

export interface BgpListenerOptions {
  /** Addresses to listen on; none is every address of this host. */
  readonly addresses: readonly IpAddress[];
  /** 179, or 0 for any free port. */
  readonly port: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Finds the owner of a connection by the peer's address. False if it is nobody's: then it is refused with Cease 6/5. */
  readonly onConnection: (remote: IpAddress, socket: Socket) => boolean;
}

/** The listening sockets of a speaker. */
export class BgpListener {
  readonly #options: BgpListenerOptions;
  readonly #servers: Server[] = [];
  readonly #refused = new Set<Socket>();

  constructor(options: BgpListenerOptions) {
    this.#options = options;
  }

  /** Opens all sockets or none. Throws a `BgpError` with code `LISTEN_FAILED`. */
  async listen(): Promise<void> {
    const { addresses, port } = this.#options;
    try {
      if (addresses.length === 0) await this.#open(undefined, port);
      for (const address of addresses) await this.#open(address, this.port ?? port);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  /** The port that the first socket listens on; undefined while closed. */
  get port(): number | undefined {
    const address = this.#servers[0]?.address();
    return typeof address === "object" && address !== null ? address.port : undefined;
  }

  /** Stops listening. Connections that were handed over live on. */
  async close(): Promise<void> {
    for (const socket of this.#refused) socket.destroy();
    for (const server of this.#servers.splice(0)) server.close();
  }

  #open(address: IpAddress | undefined, port: number): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.#onSocket(socket));
    return new Promise((resolve, reject) => {
      server.once("error", (error) => reject(listenFailed(address, port, error)));
      server.listen({ port, backlog, ...(address === undefined ? {} : { host: address.toString() }) }, () => {
        server.removeAllListeners("error");
        // Such as running out of file descriptors; the server goes on listening.
        server.on("error", (error) =>
          this.#options.logger.warn({ error: errorMessage(error) }, "accepting a BGP connection failed"),
        );
        this.#servers.push(server);
        resolve();
      });
    });
  }

  #onSocket(socket: Socket): void {
    const remote = socketAddress(socket.remoteAddress);
    if (remote === undefined) {
      socket.destroy();
      return;
    }
    if (this.#options.onConnection(remote, socket)) return;
    this.#options.logger.info(
      { address: remote.toString() },
      "refused a BGP connection from an address that is no peer",
    );
    if (this.#refused.size >= maxRefusals) {
      socket.destroy();
      return;
    }
    this.#refused.add(socket);
    void closeGently(socket, connectionRejected, this.#options.clock).then(() => this.#refused.delete(socket));
  }
}

function listenFailed(address: IpAddress | undefined, port: number, error: unknown): BgpError {
  const errno = errnoOf(error);
  const place = `${address === undefined ? "any address" : address.toString()} port ${port}`;
  const advice = new Map([
    ["EADDRINUSE", "another BGP speaker such as BIRD has it; stop that one or choose another listen port"],
    ["EACCES", "ports below 1024 need root or CAP_NET_BIND_SERVICE; or choose another listen port"],
    ["EADDRNOTAVAIL", "it is no address of this host; correct the node's address or listen on all addresses"],
  ]).get(errno ?? "");
  return new BgpError(
    "LISTEN_FAILED",
    `can't listen for BGP on ${place}: ${advice ?? errorMessage(error)}`,
    { address: address?.toString(), port, errno },
    error,
  );
}
