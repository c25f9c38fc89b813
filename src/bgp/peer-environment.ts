import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { TcpConnection } from "../core/tcp.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import type { GracefulRestartState } from "./fsm/offer.ts";
import type { RetentionLimits } from "./graceful-restart.ts";
import type { Family } from "./packet/family.ts";
import type { SpeakerRules } from "./peer-rules.ts";
import type { PlainUpdates } from "./plain-updates.ts";
import type { GroupTable } from "./rib/group-table.ts";
import type { RibViews } from "./rib/rib-views.ts";
import type { StopMode } from "./session/peer-session.ts";
import type { StaleRouteEnvironment } from "./stale-routes.ts";
import type { BgpSpeakerListener, PeerConfig, SessionListener, SessionStatus } from "./types.ts";

/** The session below a peer, as far as the speaker uses it. */
export interface Session {
  start(): void;
  /** Resolves when the connections are closed. */
  stop(mode: StopMode): Promise<void>;
  /** Takes a connection that the peer has opened. */
  accept(connection: TcpConnection): void;
  /** A configuration that differs in nothing but the password, as far as sessions go. */
  reconfigure(config: PeerConfig): void;

  /** Ends an Established session because the way to the peer is dead. */
  unreachable(text: string): void;
  /** Queues octets of whole messages, good only during the call, with so many UPDATEs in them; false asks to stop until `onWritable`. */
  send(octets: Uint8Array, updates: number): boolean;
  /** Asks for all routes of a family again; false if that is not possible. */
  sendRouteRefresh(family: Family): boolean;
  status(): SessionStatus;
}

/** What all peers of a speaker share. */
export interface PeerEnvironment extends SpeakerRules, StaleRouteEnvironment {
  readonly groups: GroupTable;
  readonly views: RibViews;
  readonly plainUpdates: PlainUpdates;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly retention: RetentionLimits;
  readonly isOwnAddress: (address: IpAddress) => boolean;
  /** R and F bits after a restart of the whole speaker; read for every OPEN. */
  readonly restart: () => { readonly restarting: boolean; readonly forwardingPreserved: boolean };
  readonly createSession: (
    config: PeerConfig,
    listener: SessionListener,
    restartState: () => GracefulRestartState,
  ) => Session;
  /** A limit kept a route of this peer out. */
  readonly onDiscarded?: ((peer: string, prefix: Prefix, limit: number) => void) | undefined;
  /** The session came up or went down. */
  readonly onStateChange: BgpSpeakerListener["onPeerStateChange"];
}
