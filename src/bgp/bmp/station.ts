import type { Socket } from "node:net";
import type { Clock, Timer } from "../../core/clock.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { TcpSockets } from "../../core/tcp.ts";
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
  #socket: Socket | undefined;
  #state: BmpStationStatus["state"] = "connecting";
  #reason: string | undefined;
  #waiting: Uint8Array[] = [];
  #waitingOctets = 0;
  #octetsSent = 0;
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
      (socket) => this.#connected(socket),
      (error: unknown) => this.#lost(errorMessage(error)),
    );
  }

  /** Says good-bye if there is somebody to hear it. */
  stop(): void {
    const socket = this.#socket;
    // A station that reads nothing must not keep the process.
    if (this.#state === "live" && socket !== undefined)
      void closeGently(socket, encodeTermination(), this.#options.clock);
    else socket?.destroy();
    this.#state = "stopped";
    this.#retry?.cancel();
    this.#dial.abort();
  }

  /** Sends a BMP message, or has it wait until the station knows what was before. Without a connection it is dropped. */
  send(message: Uint8Array): void {
    const socket = this.#socket;
    if (socket === undefined || this.#state === "stopped") return;
    if (this.#state === "live") this.#write(socket, message);
    else {
      this.#waiting.push(message);
      this.#waitingOctets += message.length;
    }
    const limit = this.#options.longestQueueOctets ?? defaultQueueOctets;
    if (socket.writableLength + this.#waitingOctets > limit)
      socket.destroy(new Error(`the station does not read: more than ${limit} octets wait for it`));
  }

  /** False while whatever is sent is dropped. */
  get isConnected(): boolean {
    return this.#socket !== undefined;
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

  #connected(socket: Socket): void {
    if (this.#state === "stopped") {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    this.#state = "synchronizing";
    let reason = "the station closed the connection";
    socket.on("error", (error) => {
      reason = errorMessage(error);
    });
    // A station has nothing to say (RFC 7854 §3.2).
    socket.resume();
    socket.on("end", () => socket.destroy());
    socket.on("close", () => this.#lost(reason));
    const { description, name, state, logger } = this.#options;
    logger.info({ station: this.status().target }, "BMP station connected");
    this.#write(socket, encodeInitiation(description, name));
    this.#synchronize(socket, state()[Symbol.iterator]());
  }

  /** Sends a part of the state, and goes on when the station has read it. */
  #synchronize(socket: Socket, rest: Iterator<Uint8Array>): void {
    for (let octets = 0; octets < sliceOctets; ) {
      if (socket.destroyed || this.#state !== "synchronizing") return;
      const { value, done } = rest.next();
      if (done === true) {
        this.#goLive(socket);
        return;
      }
      this.#write(socket, value);
      octets += value.length;
    }
    const goOn = () => this.#synchronize(socket, rest);
    if (socket.writableNeedDrain) socket.once("drain", goOn);
    else setImmediate(goOn);
  }

  #goLive(socket: Socket): void {
    this.#state = "live";
    this.#retryMs = shortestRetryMs;
    this.#reason = undefined;
    for (const message of this.#waiting) this.#write(socket, message);
    this.#forgetWaiting();
  }

  #write(socket: Socket, message: Uint8Array): void {
    this.#octetsSent += message.length;
    socket.write(message);
  }

  #lost(reason: string): void {
    this.#socket = undefined;
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
