import type { IpAddress } from "../../net/address.ts";
import type {
  BgpMessage,
  KeepaliveMessage,
  NotificationMessage,
  OpenMessage,
  RouteRefreshMessage,
  SessionError,
  UpdateMessage,
} from "../packet/message.ts";
import type { SessionDownReason } from "../session-state.ts";
import type { NegotiatedSession, PeerConfig } from "../types.ts";
import type { GracefulRestartState, WithheldCapabilities } from "./offer.ts";
import type { SessionTiming } from "./timing.ts";

/** Who opened a TCP connection: we or the peer. */
export type ConnectionOrigin = "outgoing" | "incoming";

/** Timers of one connection. */
export type ConnectionTimer = "hold" | "keepalive" | "send-hold" | "delay-open";

/** Timers of the peer as a whole. */
export type PeerTimer = "connect-retry" | "idle-hold";

/** What one TCP connection is doing (RFC 4271 §8.2.2, seen per connection as §8.2.1 wants it). */
export type ConnectionState =
  /** Our dial is under way. */
  | { readonly name: "connecting"; readonly withheld: WithheldCapabilities }
  /** TCP is up; our OPEN waits for the DelayOpen timer or the peer's OPEN. */
  | { readonly name: "open-delayed"; readonly localAddress: IpAddress; readonly ours: OpenMessage }
  /** Our OPEN is out, the peer's is not in. */
  | {
      readonly name: "open-sent";
      readonly localAddress: IpAddress;
      readonly ours: OpenMessage;
      /** When our OPEN went out, in monotonic milliseconds. */
      readonly sentMs: number;
    }
  /** Both OPENs agree and our KEEPALIVE is out. */
  | { readonly name: "open-confirm"; readonly session: NegotiatedSession; readonly ours: OpenMessage }
  | { readonly name: "established"; readonly session: NegotiatedSession; readonly sinceMs: number };

/** The end of a connection; it leaves the peer's state with this step. */
export interface ClosedConnection {
  readonly name: "closed";
  readonly reason: SessionDownReason;
}

/** What happens to one connection from outside. */
export type ConnectionEvent =
  /** Our dial succeeded. */
  | { readonly type: "connected"; readonly localAddress: IpAddress }
  /** TCP is gone without our doing: the peer closed it, or it failed (also: the dial failed). */
  | { readonly type: "lost"; readonly kind: "tcp-closed" | "tcp-failed"; readonly text: string }
  | { readonly type: "timer-expired"; readonly timer: ConnectionTimer }
  | { readonly type: "message"; readonly message: BgpMessage }
  /** UPDATEs came that were taken without being decoded; only once Established. */
  | { readonly type: "heard" }
  /** Octets that are no valid message; `messageType` is the header's, if the header was good. */
  | { readonly type: "malformed"; readonly error: SessionError; readonly messageType: number | undefined }
  /** Octets wait for the peer to read; some went out but others wait; none wait any more (RFC 9687). */
  | { readonly type: "write-blocked" }
  | { readonly type: "write-progress" }
  | { readonly type: "write-drained" };

/** What the peer machine tells one of its connections. */
export type ConnectionCommand =
  /** The peer's OPEN is acceptable and the connection has survived the collision check. */
  | { readonly type: "open-accepted"; readonly session: NegotiatedSession }
  /** The peer's OPEN is well formed but not acceptable. */
  | { readonly type: "open-rejected"; readonly error: SessionError }
  /** Another connection to the same peer won (OpenCollisionDump, RFC 4271 §8.1.5). */
  | { readonly type: "collision-dump" }
  /** The peer has come back on another connection and confirmed that one, as after a restart (RFC 4724 §4.2). */
  | { readonly type: "superseded" }
  /** Somebody who watches the path says that it is dead. */
  | { readonly type: "unreachable"; readonly text: string }
  /** The owner stops the session; without a notification TCP just closes. */
  | { readonly type: "stop"; readonly notification: NotificationMessage | undefined };

/** What happens to a peer. Events for a connection or a timer that is gone are ignored. */
export type FsmEvent =
  /** ManualStart. */
  | { readonly type: "start" }
  /** ManualStop and AutomaticStop. */
  | { readonly type: "stop"; readonly notification: NotificationMessage | undefined }
  /** The peer has opened a connection. */
  | { readonly type: "accepted"; readonly localAddress: IpAddress }
  /** Somebody who watches the path says that it is dead. */
  | { readonly type: "unreachable"; readonly text: string }
  | { readonly type: "timer-expired"; readonly timer: PeerTimer }
  | { readonly type: "connection"; readonly connection: number; readonly event: ConnectionEvent };

/** What the driver must do, in this order. */
export type FsmAction =
  /** Open a connection and call it `connection`. */
  | { readonly type: "dial"; readonly connection: number }
  /** Call the accepted socket of this event `connection`. */
  | { readonly type: "adopt"; readonly connection: number }
  /** Answer the accepted socket of this event with a NOTIFICATION and close it. */
  | { readonly type: "refuse"; readonly notification: NotificationMessage }
  | { readonly type: "send"; readonly connection: number; readonly message: OpenMessage | KeepaliveMessage }
  /**
   * From the next message on, decode by what was negotiated. How long a message may be depends on our OPEN alone: the peer
   * may use what we offer without offering it (RFC 8654 §4).
   */
  | {
      readonly type: "negotiated";
      readonly connection: number;
      readonly session: NegotiatedSession;
      readonly longestToReceive: number;
    }
  /** Flush what is queued and the notification, then close; give up a dial. The connection's timers end with it. */
  | { readonly type: "close"; readonly connection: number; readonly notification: NotificationMessage | undefined }
  /** (Re)start a timer. */
  | {
      readonly type: "arm";
      readonly connection: number;
      readonly timer: ConnectionTimer;
      readonly delayMs: number;
    }
  | { readonly type: "cancel"; readonly connection: number; readonly timer: ConnectionTimer }
  | { readonly type: "arm-peer"; readonly timer: PeerTimer; readonly delayMs: number }
  | { readonly type: "cancel-peer"; readonly timer: PeerTimer }
  | { readonly type: "deliver"; readonly message: UpdateMessage | RouteRefreshMessage }
  | { readonly type: "established"; readonly connection: number; readonly session: NegotiatedSession }
  /** The Established session is over. */
  | { readonly type: "down"; readonly reason: SessionDownReason };

/** One TCP connection of a peer. */
export interface Connection {
  readonly id: number;
  readonly origin: ConnectionOrigin;
  readonly state: ConnectionState;
}

interface PeerMemory {
  /** The highest connection number given out. */
  readonly lastConnection: number;
  /** The last wait after an error and when it began, if there was one. */
  readonly backOff: { readonly delayMs: number; readonly atMs: number } | undefined;
  /** Dials since the start or the last session that lasted. */
  readonly dials: number;
  /** What the peer has refused since the last Established session. */
  readonly withheld: WithheldCapabilities;
  /** Why there is no Established session: the last end of a connection that mattered. */
  readonly lastReason: SessionDownReason | undefined;
}

/**
 * What a peer is doing. `connections` holds at most one Established, and besides it at most one of each origin. The
 * connect-retry timer runs exactly when we may dial and no connection has TCP up.
 */
export type PeerState =
  /** Not started, or stopped by the owner. */
  | ({ readonly name: "stopped" } & PeerMemory)
  /** Waiting after an error; the idle-hold timer runs. */
  | ({ readonly name: "idle-hold" } & PeerMemory)
  | ({ readonly name: "active"; readonly connections: readonly Connection[] } & PeerMemory);

/** All that a step may know besides state and event. */
export interface FsmContext {
  readonly config: PeerConfig;
  readonly routerId: number;
  readonly timing: SessionTiming;
  readonly gracefulRestart: GracefulRestartState;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** A fresh number in [0, 1). */
  readonly random: number;
}

export interface Step {
  readonly state: PeerState;
  readonly actions: readonly FsmAction[];
}
