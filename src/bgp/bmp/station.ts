import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { TcpConnection, TcpSockets } from "../../core/tcp.ts";
import type { IpAddress } from "../../net/address.ts";
import { closeGently } from "../session/close-gently.ts";
import { encodeInitiation, encodeTermination } from "./message.ts";

/** How a station is reached. */
export interface BmpTarget {
  readonly address: IpAddress;
  readonly port: number;
}

interface BmpStationOptions {
  readonly target: BmpTarget;
  readonly sockets: TcpSockets;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  /** What and who we are. */
  readonly description: string;
  readonly name: string;
  /** Everything that a station that has just connected has to be told, as BMP messages. */
  readonly state: () => Iterable<Uint8Array>;
  /** How many octets may wait for a slow station before it is left and told all anew; 64 MiB if absent. */
  readonly longestQueueOctets?: number;
}

/** What becomes of a station. */
export interface BmpStationStatus {
  readonly target: string;
  readonly state: "connecting" | "synchronizing" | "live" | "stopped";
  /** Why there is no connection, or why the last one ended. */
  readonly reason: string | undefined;
  readonly octetsSent: number;
}

/** RFC 7854 §3.2: from 30 seconds to 720. */
const shortestRetryMs = 30_000;
const longestRetryMs = 720_000;
const defaultQueueOctets = 64 * 2 ** 20;
/** What one turn of the event loop sends of the state. */
const sliceOctets = 64 * 1024;

/**
 * The connection to one BMP station (RFC 7854): we dial, tell it the state, and then what happens. What happens meanwhile waits,
 * so that a station never hears something old after something new.
 */
export class BmpStation {
  readonly #options: BmpStationOptions;
  readonly #dial = new AbortController();
  #connection: TcpConnection | undefined;
  #state: BmpStationStatus["state"] = "connecting";
  #reason: string | undefined;
  #waiting: Uint8Array[] = [];
  #waitingOctets = 0;
  #octetsSent = 0;
  /** What of the state waits until the station has read the part before it. */
  #rest: Iterator<Uint8Array> | undefined;
  /** Why the connection ends, if it does now. */
  #end = "";
  #retryMs = shortestRetryMs;
  #retry: Timer | undefined;

  constructor(options: BmpStationOptions) {
    this.#options = options;
  }

  start(): void {
    const { target, sockets } = this.#options;
    this.#state = "connecting";
    const request = { address: target.address.toString(), port: target.port, options: {} };
    sockets.dial(request, this.#dial.signal).then(
      (connection) => this.#connected(connection),
      (error: unknown) => this.#lost(errorMessage(error)),
    );
  }

  /** Says good-bye if there is somebody to hear it. */
  stop(): void {
    const connection = this.#connection;
    // A station that reads nothing must not keep the process.
    if (this.#state === "live" && connection !== undefined)
      void closeGently(connection, encodeTermination(), this.#options.clock);
    else connection?.destroy();
    this.#state = "stopped";
    this.#retry?.cancel();
    this.#dial.abort();
  }

  /** Sends a BMP message, or has it wait until the station knows what was before. Without a connection it is dropped. */
  send(message: Uint8Array): void {
    const connection = this.#connection;
    if (connection === undefined || this.#state === "stopped") return;
    if (this.#state === "live") this.#write(connection, message);
    else {
      this.#waiting.push(message);
      this.#waitingOctets += message.length;
    }
    const limit = this.#options.longestQueueOctets ?? defaultQueueOctets;
    if (connection.unsentOctets + this.#waitingOctets <= limit || connection.isGone) return;
    this.#end = `the station does not read: more than ${limit} octets wait for it`;
    connection.destroy();
  }

  /** False while whatever is sent is dropped. */
  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  status(): BmpStationStatus {
    const { address, port } = this.#options.target;
    return {
      target: address.family === 6 ? `[${address}]:${port}` : `${address}:${port}`,
      state: this.#state,
      reason: this.#reason,
      octetsSent: this.#octetsSent,
    };
  }

  #connected(connection: TcpConnection): void {
    if (this.#state === "stopped") {
      connection.destroy();
      return;
    }
    this.#connection = connection;
    this.#state = "synchronizing";
    this.#end = "the station closed the connection";
    connection.use({
      // A station has nothing to say (RFC 7854 §3.2).
      onOctets: () => {},
      onEnd: () => connection.destroy(),
      onUnsent: () => this.#onUnsent(),
      onError: (error) => {
        this.#end = errorMessage(error);
      },
      onClosed: () => this.#lost(this.#end),
    });
    const { description, name, state, logger } = this.#options;
    logger.info({ station: this.status().target }, "BMP station connected");
    this.#write(connection, encodeInitiation(description, name));
    this.#synchronize(connection, state()[Symbol.iterator]());
  }

  /** Sends a part of the state, and goes on when the station has read it. */
  #synchronize(connection: TcpConnection, rest: Iterator<Uint8Array>): void {
    for (let octets = 0; octets < sliceOctets; ) {
      if (connection.isGone || this.#state !== "synchronizing") return;
      const { value, done } = rest.next();
      if (done === true) {
        this.#goLive(connection);
        return;
      }
      this.#write(connection, value);
      octets += value.length;
    }
    if (connection.unsentOctets > 0) this.#rest = rest;
    else setImmediate(() => this.#synchronize(connection, rest));
  }

  #onUnsent(): void {
    const rest = this.#rest;
    const connection = this.#connection;
    if (rest === undefined || connection === undefined || connection.unsentOctets > 0) return;
    this.#rest = undefined;
    this.#synchronize(connection, rest);
  }

  #goLive(connection: TcpConnection): void {
    this.#state = "live";
    this.#retryMs = shortestRetryMs;
    this.#reason = undefined;
    for (const message of this.#waiting) this.#write(connection, message);
    this.#forgetWaiting();
  }

  #write(connection: TcpConnection, message: Uint8Array): void {
    this.#octetsSent += message.length;
    connection.write(message);
  }

  #lost(reason: string): void {
    this.#connection = undefined;
    this.#rest = undefined;
    this.#forgetWaiting();
    if (this.#state === "stopped") return;
    const { clock, logger, random } = this.#options;
    if (this.#reason !== reason) logger.warn({ station: this.status().target, reason }, "BMP station not connected");
    this.#state = "connecting";
    this.#reason = reason;
    this.#retry = clock.setTimer(this.#retryMs * (0.75 + 0.25 * random()), () => this.start());
    this.#retryMs = Math.min(2 * this.#retryMs, longestRetryMs);
  }

  #forgetWaiting(): void {
    this.#waiting = [];
    this.#waitingOctets = 0;
  }
}
