import type { Clock } from "../../core/clock.ts";
import type { TcpConnection, TcpKey, TcpSockets } from "../../core/tcp.ts";
import type { ConnectionEvent, ConnectionTimer } from "../fsm/types.ts";
import type { PeerConfig } from "../types.ts";
import { dialRequest } from "./endpoint.ts";
import { PeerConnection } from "./peer-connection.ts";
import { socketEnd } from "./socket-address.ts";
import { describeTcpError } from "./tcp-error.ts";
import { TimerTable } from "./timer-table.ts";

/** More time for a peer whose octets were waiting for us when its hold timer expired. */
const unreadGraceMs = 10_000;

interface ConnectionSlotHandler {
  onEvent(event: ConnectionEvent): void;
  /** A whole message, before it becomes an event; good only during the call. */
  readonly onOctets: ((octets: Uint8Array) => void) | undefined;
  /** As `PeerConnectionHandler.takeUpdates`. */
  takeUpdates(octets: Uint8Array, start: number, end: number): number;
  onWritable(): void;
}

/** One connection of the state machine: its dial or socket, and its timers. */
export class ConnectionSlot {
  readonly timers: TimerTable<ConnectionTimer>;
  readonly #clock: Clock;
  readonly #handler: ConnectionSlotHandler;
  readonly #dial = new AbortController();
  #connection: PeerConnection | undefined;
  #isClosed = false;

  constructor(clock: Clock, handler: ConnectionSlotHandler) {
    this.#clock = clock;
    this.#handler = handler;
    this.timers = new TimerTable(clock, (timer) =>
      timer === "hold" ? this.#onHoldExpired() : handler.onEvent({ type: "timer-expired", timer }),
    );
  }

  /** Undefined while the dial is under way. */
  get connection(): PeerConnection | undefined {
    return this.#connection;
  }

  dial(sockets: TcpSockets, peer: PeerConfig): void {
    sockets.dial(dialRequest(peer), this.#dial.signal).then(
      (connection) => this.#onDialled(connection),
      (error: unknown) => {
        if (!this.#isClosed) this.#handler.onEvent({ type: "lost", kind: "tcp-failed", text: describeTcpError(error) });
      },
    );
  }

  /** Carries BGP over a connection from now on. */
  take(tcp: TcpConnection): void {
    this.#connection = new PeerConnection(tcp, this.#clock, {
      onMessage: (message, octets) => {
        this.#handler.onOctets?.(octets);
        this.#handler.onEvent({ type: "message", message });
      },
      takeUpdates: (octets, start, end) => this.#handler.takeUpdates(octets, start, end),
      onUpdatesTaken: () => this.#handler.onEvent({ type: "heard" }),
      onMalformed: (error, messageType) => this.#handler.onEvent({ type: "malformed", error, messageType }),
      onLost: (kind, text) => this.#handler.onEvent({ type: "lost", kind, text }),
      onWriteState: (type) => this.#handler.onEvent({ type }),
      onWritable: () => this.#handler.onWritable(),
    });
  }

  /** Another password from now on. Throws what the sockets throw. */
  changeKey(sockets: TcpSockets, key: TcpKey): void {
    if (this.#connection !== undefined) sockets.changeKey(this.#connection.tcp, key);
  }

  /** Gives up a dial, or flushes `lastWords` and closes. Resolves when the socket is gone. */
  async close(lastWords: Uint8Array | undefined): Promise<void> {
    this.#isClosed = true;
    this.timers.cancelAll();
    this.#dial.abort();
    await this.#connection?.close(lastWords);
  }

  #onDialled(tcp: TcpConnection): void {
    const localAddress = socketEnd(tcp.localAddress)?.address;
    if (this.#isClosed) tcp.destroy();
    else if (tcp.isGone || localAddress === undefined)
      this.#handler.onEvent({ type: "lost", kind: "tcp-failed", text: "the connection failed at once" });
    else {
      this.take(tcp);
      this.#handler.onEvent({ type: "connected", localAddress });
    }
  }

  /**
   * A late event loop runs timers before it reads sockets, so what keeps the session alive may lie unread in the kernel. It is read
   * at once or, where that can't be had, before `setImmediate` comes; only then is silence the peer's.
   */
  #onHoldExpired(): void {
    const heard = this.#connection?.octetsReceived;
    setImmediate(() => {
      this.#connection?.tcp.readNow();
      if (this.#isClosed || this.timers.isArmed("hold")) return;
      if (this.#connection?.hasBacklog === true || this.#connection?.octetsReceived !== heard)
        this.timers.arm("hold", unreadGraceMs);
      else this.#handler.onEvent({ type: "timer-expired", timer: "hold" });
    });
  }
}
