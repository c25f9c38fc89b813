import type { Clock } from "../../core/clock.ts";
import { assertNever, errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { TcpConnection, TcpSockets } from "../../core/tcp.ts";
import type { GracefulRestartState } from "../fsm/offer.ts";
import { step } from "../fsm/peer.ts";
import { establishedOf, initialPeerState, sessionStateOf } from "../fsm/peer-state.ts";
import { defaultTiming, type SessionTiming } from "../fsm/timing.ts";
import type { ConnectionEvent, FsmAction, FsmContext, FsmEvent, PeerState, PeerTimer } from "../fsm/types.ts";
import { afiSafiOf, type Family } from "../packet/family.ts";
import { eachMessage } from "../packet/header.ts";
import { encodeKeepalive } from "../packet/keepalive.ts";
import type { NotificationMessage } from "../packet/message.ts";
import { encodeNotification } from "../packet/notification.ts";
import { encodeOpen } from "../packet/open.ts";
import { encodeRouteRefresh } from "../packet/route-refresh.ts";
import { comparePeerConfigs } from "../peer-config.ts";
import type { SessionDownReason } from "../session-state.ts";
import type { BgpTap } from "../tap.ts";
import type { PeerConfig, SessionListener, SessionStatus } from "../types.ts";
import { closeGently } from "./close-gently.ts";
import { ConnectionSlot } from "./connection-slot.ts";
import { Delivery } from "./delivery.ts";
import { tcpOptionsOf } from "./endpoint.ts";
import { SessionCounts } from "./session-counters.ts";
import { socketEnd } from "./socket-address.ts";
import { TimerTable } from "./timer-table.ts";

export interface PeerSessionOptions {
  readonly config: PeerConfig;
  /** Our BGP identifier, an unsigned 32-bit number other than 0. */
  readonly routerId: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Uniform in [0, 1), for jitter. */
  readonly random: () => number;
  readonly sockets: TcpSockets;
  readonly listener: SessionListener;
  /** Asked for every OPEN that goes out. */
  readonly gracefulRestartState: () => GracefulRestartState;
  /** Deviations from the usual times. */
  readonly timing?: Partial<SessionTiming>;
  readonly tap?: BgpTap;
}

/**
 * How a session ends: quietly, so that the peer keeps our routes over a graceful restart, or with this very NOTIFICATION.
 * With the N bit of RFC 8538 on both sides the peer keeps our routes unless the owner makes it a Hard Reset.
 */
export type StopMode = "restart" | Omit<NotificationMessage, "type">;

/**
 * One configured neighbour: gives the pure state machine its sockets and timers.
 *
 *     socket ──► PeerConnection ──► step(state, event) ──► actions ──► PeerConnection, TimerTable, TcpSockets
 *                                                                └──► Delivery ──► SessionListener
 *
 * The listener is called in the wire's order and never from inside a method of this class.
 */
export class PeerSession {
  readonly #options: PeerSessionOptions;
  readonly #context: FsmContext;
  readonly #slots = new Map<number, ConnectionSlot>();
  readonly #timers: TimerTable<PeerTimer>;
  readonly #delivery = new Delivery();
  readonly #counts = new SessionCounts();
  readonly #closing = new Set<Promise<void>>();
  /** The peer's, for the log. */
  readonly #address: string;
  #config: PeerConfig;
  #state: PeerState = initialPeerState;
  #sinceMs: number;
  #lastDown: SessionDownReason | undefined;
  #established: ConnectionSlot | undefined;

  constructor(options: PeerSessionOptions) {
    const { clock, config, routerId, random, gracefulRestartState } = options;
    this.#options = options;
    this.#config = config;
    this.#address = config.address.toString();
    const currentConfig = () => this.#config;
    this.#context = {
      get config() {
        return currentConfig();
      },
      routerId,
      timing: { ...defaultTiming, ...options.timing },
      get gracefulRestart() {
        return gracefulRestartState();
      },
      get nowMs() {
        return clock.monotonicMs();
      },
      get random() {
        return random();
      },
    };
    this.#timers = new TimerTable(clock, (timer) => this.#happen({ type: "timer-expired", timer }));
    this.#sinceMs = clock.wallMs();
  }

  /** Begins to dial and to accept. Without effect if started. */
  start(): void {
    this.#delivery.inside(() => this.#happen({ type: "start" }));
  }

  /** Ends the session and everything under way. Resolves when all its sockets are closed, after at most five seconds. */
  async stop(mode: StopMode): Promise<void> {
    const notification = mode === "restart" ? undefined : { type: "notification" as const, ...mode };
    this.#delivery.inside(() => this.#happen({ type: "stop", notification }));
    await Promise.all(this.#closing);
  }

  /** Ends an Established session because the way to the peer is dead (RFC 9384); dialling goes on. */
  unreachable(text: string): void {
    this.#delivery.inside(() => this.#happen({ type: "unreachable", text }));
  }

  /** Takes a connection that the peer has opened, or refuses it with a Cease. The session owns it from here on. */
  accept(connection: TcpConnection): void {
    const localAddress = socketEnd(connection.localAddress)?.address;
    if (localAddress === undefined || !this.#prepare(connection)) connection.destroy();
    else this.#delivery.inside(() => this.#happen({ type: "accepted", localAddress }, connection));
  }

  /** Takes a configuration over that differs in nothing but the password from what the session was made for. */
  reconfigure(config: PeerConfig): void {
    const { password } = comparePeerConfigs(this.#config, config);
    this.#config = config;
    const key = config.transport?.key;
    if (!password || key === undefined) return;
    const { sockets, logger } = this.#options;
    for (const slot of this.#slots.values())
      try {
        slot.changeKey(sockets, key);
      } catch (error) {
        // The next connection gets it; this one lasts until the hold timer says that the peer has changed its own.
        logger.warn(
          { peer: config.name, reason: errorMessage(error) },
          "could not change the password of a live BGP connection",
        );
      }
  }

  /**
   * Sends whole messages, `updates` UPDATEs or, if that is 0, one other; those of one turn of the event loop go out together, and the
   * memory belongs to the caller again. False if the queue is above its high-water mark: they are queued all the same, but the
   * owner should wait for `onWritable`. Without an Established session nothing is sent, and the answer is false.
   */
  send(octets: Uint8Array, updates: number): boolean {
    const connection = this.#established?.connection;
    if (connection === undefined) return false;
    if (updates > 0) this.#counts.updatesSent(updates);
    else this.#counts.sent(octets);
    this.#options.tap?.sent(this.#config.name, octets);
    connection.write(octets);
    return !connection.isCongested;
  }

  /** Asks for all routes of a family (RFC 2918). False if the session is not Established or the peer can't do it. */
  sendRouteRefresh(family: Family): boolean {
    const negotiated = establishedOf(this.#state)?.session;
    if (negotiated === undefined || !negotiated.routeRefresh || !negotiated.families.includes(family)) return false;
    this.send(encodeRouteRefresh({ ...afiSafiOf(family), subtype: 0 }), 0);
    return true;
  }

  status(): SessionStatus {
    const negotiated = establishedOf(this.#state)?.session;
    const { lastReason } = this.#state;
    return {
      state: sessionStateOf(this.#state),
      sinceMs: this.#sinceMs,
      ...(negotiated === undefined ? {} : { negotiated }),
      ...(lastReason === undefined ? {} : { lastReason }),
      ...(this.#lastDown === undefined ? {} : { lastDown: this.#lastDown }),
      counters: this.#counts.snapshot(),
    };
  }

  #happen(event: FsmEvent, accepted?: TcpConnection): void {
    const before = this.#state;
    const { state, actions } = step(before, event, this.#context);
    this.#state = state;
    for (const action of actions) this.#perform(action, accepted);
    if (state !== before) this.#report(before);
    this.#delivery.flush();
  }

  #perform(action: FsmAction, accepted: TcpConnection | undefined): void {
    const { listener, clock } = this.#options;
    switch (action.type) {
      case "dial":
        this.#counts.connectAttempt();
        this.#slot(action.connection).dial(this.#options.sockets, this.#config);
        return;
      case "adopt":
        if (accepted !== undefined) this.#slot(action.connection).take(accepted);
        return;
      case "refuse":
        if (accepted !== undefined) this.#track(closeGently(accepted, this.#encode(action.notification), clock));
        return;
      case "send": {
        const octets = action.message.type === "open" ? encodeOpen(action.message) : encodeKeepalive();
        this.#hasSent(octets);
        this.#slots.get(action.connection)?.connection?.write(octets);
        return;
      }
      case "negotiated":
        this.#slots.get(action.connection)?.connection?.useContext(action.session, action.longestToReceive);
        return;
      case "close": {
        const slot = this.#slots.get(action.connection);
        this.#slots.delete(action.connection);
        if (slot === undefined) return;
        if (slot === this.#established) this.#established = undefined;
        this.#track(slot.close(action.notification === undefined ? undefined : this.#encode(action.notification)));
        return;
      }
      case "arm":
        this.#slots.get(action.connection)?.timers.arm(action.timer, action.delayMs);
        return;
      case "cancel":
        this.#slots.get(action.connection)?.timers.cancel(action.timer);
        return;
      case "arm-peer":
        this.#timers.arm(action.timer, action.delayMs);
        return;
      case "cancel-peer":
        this.#timers.cancel(action.timer);
        return;
      case "deliver": {
        const { message } = action;
        this.#delivery.add(() =>
          message.type === "update" ? listener.onUpdate(message) : listener.onRouteRefresh(message),
        );
        return;
      }
      case "established":
        this.#established = this.#slots.get(action.connection);
        this.#counts.established();
        this.#delivery.add(() => listener.onEstablished(action.session));
        return;
      case "down":
        this.#lastDown = action.reason;
        this.#delivery.add(() => listener.onDown(action.reason));
        return;
      default:
        assertNever(action, "FSM action");
    }
  }

  /** False if an option can't be had: a connection without its peer's password or TTL check is not the peer's. */
  #prepare(connection: TcpConnection): boolean {
    const { sockets, logger } = this.#options;
    try {
      sockets.prepare(connection, tcpOptionsOf(this.#config));
      return true;
    } catch (error) {
      const fields = { peer: this.#config.name, reason: errorMessage(error) };
      logger.warn(fields, "closed a BGP connection that could not get its socket options");
      return false;
    }
  }

  #slot(id: number): ConnectionSlot {
    const { tap, config } = this.#options;
    const slot = new ConnectionSlot(this.#options.clock, {
      onEvent: (event) => this.#onConnectionEvent(id, event),
      onOctets: tap && ((octets) => tap.received(config.name, octets)),
      takeUpdates: (octets, start, end) => {
        if (this.#established !== slot || !this.#delivery.isIdle) return start;
        const stop = this.#options.listener.takeUpdates?.(octets, start, end) ?? start;
        eachMessage(octets, start, stop, (from, to) => {
          tap?.received(config.name, octets.subarray(from, to));
          this.#counts.received("update");
        });
        return stop;
      },
      onWritable: () => {
        if (this.#established !== slot) return;
        this.#delivery.add(() => this.#options.listener.onWritable());
        this.#delivery.flush();
      },
    });
    this.#slots.set(id, slot);
    return slot;
  }

  #hasSent(octets: Uint8Array): void {
    this.#counts.sent(octets);
    this.#options.tap?.sent(this.#options.config.name, octets);
  }

  #onConnectionEvent(connection: number, event: ConnectionEvent): void {
    if (event.type === "message") this.#counts.received(event.message.type);
    this.#happen({ type: "connection", connection, event });
  }

  #encode(notification: NotificationMessage): Uint8Array {
    const octets = encodeNotification(notification);
    this.#hasSent(octets);
    return octets;
  }

  #track(closed: Promise<void>): void {
    this.#closing.add(closed);
    void closed.then(() => this.#closing.delete(closed));
  }

  /** Keeps the time of the last change and logs what an operator wants to see. */
  #report(before: PeerState): void {
    const { clock } = this.#options;
    const config = this.#config;
    const [was, is] = [sessionStateOf(before), sessionStateOf(this.#state)];
    const { lastReason } = this.#state;
    const fields = { peer: config.name, address: this.#address, from: was, to: is };
    if (was !== is) this.#sinceMs = clock.wallMs();
    if (is === "Established" && establishedOf(before)?.session !== establishedOf(this.#state)?.session)
      this.#options.logger.info(fields, "BGP session established");
    else if (was === "Established" && is !== "Established")
      this.#options.logger.warn({ ...fields, reason: lastReason?.text }, "BGP session down");
    else if (lastReason !== undefined && lastReason.text !== before.lastReason?.text)
      this.#options.logger.info({ ...fields, reason: lastReason.text }, "BGP connection failed");
    else if (was !== is) this.#options.logger.debug(fields, "BGP session state changed");
  }
}
