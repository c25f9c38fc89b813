import type { Clock } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { TcpConnection, TcpKey, TcpListener, TcpRange, TcpSockets } from "../../core/tcp.ts";
import type { IpAddress } from "../../net/address.ts";
import { BgpError } from "../errors.ts";
import { encodeNotification } from "../packet/notification.ts";
import type { ListenPlace } from "../types.ts";
import { closeGently } from "./close-gently.ts";
import { areSameKeys, type ListenerKey } from "./key-ranges.ts";
import { type SocketEnd, socketEnd } from "./socket-address.ts";
import { errnoOf } from "./tcp-error.ts";

/** A reflector's restart brings all its clients at once; node's 511 and the usual 128 overflow (the kernel caps at somaxconn). */
const backlog = 4096;

/** Strangers that may be told why at the same time; more are closed at once. */
const maxRefusals = 256;

const connectionRejected = encodeNotification({ code: 6, subcode: 5, data: new Uint8Array(0) });

export interface BgpListenerOptions {
  readonly sockets: TcpSockets;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Finds the owner of a connection by the peer's end. False if it is nobody's: then it is refused with Cease 6/5. */
  readonly onConnection: (remote: SocketEnd, connection: TcpConnection) => boolean;
}

/** The listening sockets of a speaker, and the passwords that they ask for. */
export class BgpListener {
  readonly #options: BgpListenerOptions;
  /** By address; the empty text is every address. */
  readonly #open = new Map<string, TcpListener>();
  readonly #refused = new Set<TcpConnection>();
  #place: ListenPlace | undefined;
  /** One move after the other. */
  #moves: Promise<void> = Promise.resolve();
  #isClosed = false;
  #keys: ReadonlyMap<string, ListenerKey> = new Map();

  constructor(options: BgpListenerOptions) {
    this.#options = options;
  }

  /**
   * Listens there and nowhere else; what stays the same stays open. Throws a `BgpError` with code `LISTEN_FAILED` if one socket
   * can't be opened: then it listens where it did before, or not at all.
   */
  listen(place: ListenPlace): Promise<void> {
    const done = this.#moves.then(() => this.#listen(place));
    this.#moves = done.catch(() => {});
    return done;
  }

  async #listen(place: ListenPlace): Promise<void> {
    const before = this.#place;
    try {
      await this.#move(place);
    } catch (error) {
      if (before === undefined) this.#closeAll();
      else await this.#move(before);
      throw error;
    }
  }

  /** The port that the first socket listens on; undefined while closed. */
  get port(): number | undefined {
    const [first] = this.#open.values();
    return first?.port;
  }

  /** The passwords by the addresses that they are for; what changed is told to the open sockets, which stay open. */
  setKeys(keys: ReadonlyMap<string, ListenerKey>): void {
    const before = this.#keys;
    this.#keys = keys;
    for (const [name, { range, key }] of keys)
      if (!areSameKeys(before.get(name)?.key, key)) this.#applyKey(name, range, key);
    // Afterwards, so that no address is without one if it moves from one range to another.
    for (const [name, { range }] of before) if (!keys.has(name)) this.#applyKey(name, range, undefined);
  }

  /** Stops listening. Connections that were handed over live on. */
  close(): void {
    this.#isClosed = true;
    this.#closeAll();
  }

  #closeAll(): void {
    this.#place = undefined;
    for (const connection of this.#refused) connection.destroy();
    for (const listener of this.#open.values()) listener.close();
    this.#open.clear();
  }

  async #move({ addresses, port }: ListenPlace): Promise<void> {
    const wanted = new Map(addresses.map((address) => [address.toString(), address]));
    const isSamePort = this.#place?.port === port;
    // First of all the old ones, since a socket for every address and one for a single one can't be there together.
    for (const [name, listener] of this.#open)
      if (!isSamePort || !(wanted.has(name) || (name === "" && wanted.size === 0))) {
        this.#open.delete(name);
        listener.close();
      }
    this.#place = { addresses, port };
    if (wanted.size === 0 && !this.#open.has("")) await this.#openOne(undefined, port);
    for (const [name, address] of wanted) if (!this.#open.has(name)) await this.#openOne(address, this.port ?? port);
  }

  async #openOne(address: IpAddress | undefined, port: number): Promise<void> {
    const { sockets, logger } = this.#options;
    try {
      const listener = await sockets.listen({
        ...(address !== undefined && { address: address.toString() }),
        port,
        backlog,
        onConnection: (connection) => this.#onConnection(connection),
        // Such as running out of file descriptors; the server goes on listening.
        onError: (error) => logger.warn({ error: errorMessage(error) }, "accepting a BGP connection failed"),
      });
      if (this.#isClosed) {
        listener.close();
        return;
      }
      this.#open.set(address?.toString() ?? "", listener);
      for (const [name, { range, key }] of this.#keys) this.#applyKey(name, range, key, [listener]);
    } catch (error) {
      throw listenFailed(address, port, error);
    }
  }

  /** A connection of such a peer that gets through without its password is closed when the session prepares it. */
  #applyKey(
    addresses: string,
    range: TcpRange,
    key: TcpKey | undefined,
    listeners: Iterable<TcpListener> = this.#open.values(),
  ): void {
    for (const listener of listeners)
      try {
        listener.setKey(range, key);
      } catch (error) {
        const fields = { addresses, reason: errorMessage(error) };
        this.#options.logger.error(fields, "could not tell the kernel the TCP password of BGP peers");
      }
  }

  #onConnection(connection: TcpConnection): void {
    const remote = socketEnd(connection.remoteAddress);
    if (remote === undefined) {
      connection.destroy();
      return;
    }
    if (this.#options.onConnection(remote, connection)) return;
    this.#options.logger.info(
      { address: remote.address.toString() },
      "refused a BGP connection from an address that is no peer",
    );
    if (this.#refused.size >= maxRefusals) {
      connection.destroy();
      return;
    }
    this.#refused.add(connection);
    void closeGently(connection, connectionRejected, this.#options.clock).then(() => this.#refused.delete(connection));
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
