import type { TcpOptions } from "../core/tcp.ts";
import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import type { HistoryEvent, HistoryQuery } from "./history/history.ts";
import type { LocRibRows } from "./loc-rib-rows.ts";
import type { BgpRole, Capability } from "./packet/capability.ts";
import type { Family } from "./packet/family.ts";
import type { CodecContext, RouteRefreshMessage, UpdateMessage } from "./packet/message.ts";
import type { ExplainedPath, LocRibChange, OriginatedRoute, Path, ReceivedRoute, RouteSelection } from "./paths.ts";
import type { Policy } from "./policy/types.ts";
import type { PrefixLimitSettings } from "./rib/prefix-limit.ts";
import type { RouteTreatment } from "./route-treatment.ts";
import type { SessionDownReason, SessionState } from "./session-state.ts";

/** Everything there is to say about one configured neighbour. Immutable; a change is a new object with the same `name`. */
export interface PeerConfig {
  /** Unique and stable, e.g. `Mesh_10_0_0_2`. */
  readonly name: string;
  /** Why the peer exists, for people: e.g. "node-to-node mesh", "BGPPeer tor-rack3". */
  readonly description: string;
  readonly address: IpAddress;
  /** The peer's TCP port that we dial. */
  readonly port: number;
  /** Source of our connections and, with next hop self, our next hop; the kernel chooses if absent. */
  readonly localAddress?: IpAddress;
  /** The `PeerRange` that this peer has come out of; absent for one that was configured. */
  readonly range?: string;
  /** What the connections must be like beyond that; needs the device for a link-local `address`. */
  readonly transport?: PeerTransport;
  readonly localAs: number;
  readonly remoteAs: number;
  /** Never dial; wait for the peer's connection. */
  readonly passive: boolean;
  /** Offered hold time: 0 or 3 … 65535 seconds. */
  readonly holdTimeSec: number;
  /** Wish for the keepalive interval; a third of the negotiated hold time if absent. */
  readonly keepaliveTimeSec?: number;
  readonly families: readonly Family[];
  /**
   * Offer IPv6 next hops for IPv4 routes (RFC 8950), where IPv4 is among `families`; absent: exactly if `address` is an IPv6
   * address. On such a session next hop self is our IPv6 address.
   */
  readonly ipv4OverIpv6?: boolean;
  /** Offer messages of more than 4096 octets (RFC 8654), and send them to a peer that offers the same; true if absent. */
  readonly extendedMessages?: boolean;
  /** ADD-PATH (RFC 7911) for these of `families`; not offered for others. */
  readonly addPath?: Readonly<Partial<Record<Family, AddPathSettings>>>;
  /**
   * What we are to an eBGP peer (RFC 9234): the peer must be the counterpart, and routes are kept from leaking. A peer that
   * says nothing of roles is refused if `strict`; what we are holds all the same. Ignored for an iBGP peer.
   */
  readonly role?: { readonly local: BgpRole; readonly strict?: boolean };
  /**
   * The session is administratively down: it ends, or does not begin, and a peer that has one is told this text (RFC 9003; cut to
   * 255 octets of UTF-8, may be empty). Absent: it is up.
   */
  readonly shutdown?: { readonly message: string };
  /** Absent: capability 64 is not offered. */
  readonly gracefulRestart?: { readonly restartTimeSec: number };
  /**
   * For how long, once our restart time is over, the peer shall keep our routes as routes of last resort (RFC 9494): up to
   * 16777215 seconds. Absent: it need not. What the peer asks for is honoured all the same; both need `gracefulRestart`.
   */
  readonly longLivedGracefulRestart?: { readonly staleTimeSec: number };
  readonly routeReflectorClient: boolean;
  /** Our cluster ID (RFC 4456 §7), an unsigned 32-bit number; our router id if absent. */
  readonly clusterId?: number;
  /** auto: self towards eBGP, unchanged towards iBGP except for routes of our own. */
  readonly nextHopMode: "auto" | "self" | "keep";
  /** How often our own AS may stand in a received AS_PATH. */
  readonly allowLocalAs: number;
  /** Accepts everything if absent, but see `SpeakerOptions.requirePolicy`. */
  readonly importPolicy?: Policy;
  readonly exportPolicy?: Policy;
  /** How many routes to take, per family; no limit if absent. */
  readonly maxPrefix?: Readonly<Partial<Record<Family, PrefixLimitSettings>>>;
  readonly treatment?: RouteTreatment;
  /** Watch the peer with BFD. The speaker does not do it by itself: who does tells it by `peerUnreachable`. */
  readonly bfd?: BfdWish;
}

/** How a peer shall be watched (RFC 5880). */
export interface BfdWish {
  /** Between packets in both directions, 10 … 60000. */
  readonly intervalMs: number;
  /** How many packets in a row may be missing, 1 … 255. */
  readonly multiplier: number;
  /** RFC 5881 (single), RFC 5883 (multi), or by whether the peer is on one of our links. */
  readonly hops: "auto" | "single" | "multi";
}

/**
 * TTL, password and the like of the connections with a peer. Without `ttl` packets have the system's (64), as Calico's BIRD has
 * it for all its peers: 1 for a peer on the same link is the owner's to say.
 */
export interface PeerTransport extends TcpOptions {
  /** TCP port that we dial from; the system chooses if absent. */
  readonly localPort?: number;
}

/** Whoever connects out of a prefix, and what it is as a peer. */
export interface PeerRange {
  /** Unique among ranges; its peers are called `NAME/ADDRESS`. */
  readonly name: string;
  /** Who may connect. For neighbours on a link (unnumbered): fe80::/10, with the device in the template's `transport`. */
  readonly prefix: Prefix;
  /** The AS numbers that may connect. */
  readonly remoteAs: readonly { readonly first: number; readonly last: number }[];
  /** Most peers of this range at one time, those included that have not said who they are. */
  readonly limit: number;
  /**
   * The addresses that are known of neighbours, asked every second. If there is just one of the prefix, and one AS number,
   * that one is dialled, too.
   */
  readonly discover?: () => readonly IpAddress[];
  /** TCP port that a discovered neighbour is dialled on; 179 if absent. */
  readonly port?: number;
  /** All else of the peers' configurations. Its password is that of the whole prefix. */
  readonly template: Omit<PeerConfig, "name" | "range" | "address" | "port" | "remoteAs" | "passive">;
}

/** Where a speaker waits for its peers. No address means every address of this host. */
export interface ListenPlace {
  readonly addresses: readonly IpAddress[];
  readonly port: number;
}

/** Several paths for one prefix. */
export interface AddPathSettings {
  /** Take several from the peer. */
  readonly receive: boolean;
  /** Tell the peer all that we could use ourselves, or the best ones, this many; absent: the best one only. */
  readonly send?: "all" | number;
}

/** What both sides agreed on, fixed for the life of an Established session. */
export interface NegotiatedSession extends CodecContext {
  readonly remoteIdentifier: number;
  readonly remoteAddress: IpAddress;
  readonly localAddress: IpAddress;
  readonly holdTimeSec: number;
  readonly keepaliveTimeSec: number;
  readonly routeRefresh: boolean;
  /** The peer's graceful restart capability, if both sides have one. */
  readonly gracefulRestart?: {
    readonly restarting: boolean;
    readonly restartTimeSec: number;
    /** Families the peer can preserve; true if it says that it did. */
    readonly families: ReadonlyMap<Family, boolean>;
    /** RFC 8538: also after NOTIFICATION and hold timer expiry. */
    readonly notification: boolean;
  };
  /** The peer's long-lived graceful restart capability (RFC 9494), if both sides have one; may name no family. */
  readonly longLivedGracefulRestart?: ReadonlyMap<Family, LongLivedStaleness>;
  readonly remoteCapabilities: readonly Capability[];
}

/** What a peer wants for its routes of one family when it is away for longer than its restart time. */
export interface LongLivedStaleness {
  readonly staleTimeSec: number;
  /** The F bit: it says that it kept forwarding. */
  readonly preserved: boolean;
}

/** What a session tells its owner. Calls come in the wire's order and never from inside a call to the session. */
export interface SessionListener {
  onEstablished(session: NegotiatedSession): void;
  onUpdate(update: UpdateMessage): void;
  /**
   * Takes the UPDATEs, headers included, that lie one behind the other from `start` to `end` of octets that are good only during the
   * call, up to the first that it wants decoded, as `onUpdate`, or that is not all there. Says where that one begins. Never called if
   * absent. Must not call the session.
   */
  takeUpdates?(octets: Uint8Array, start: number, end: number): number;
  onRouteRefresh(message: RouteRefreshMessage): void;
  /** Only after onEstablished. */
  onDown(reason: SessionDownReason): void;
  /** The socket's queue has drained below its low-water mark after `send` returned false. */
  onWritable(): void;
}

export interface SessionCounters {
  readonly messagesReceived: number;
  readonly messagesSent: number;
  readonly updatesReceived: number;
  readonly updatesSent: number;
  readonly notificationsReceived: number;
  readonly notificationsSent: number;
  readonly connectAttempts: number;
  /** Times the session has been Established. */
  readonly established: number;
}

export interface SessionStatus {
  readonly state: SessionState;
  /** Unix milliseconds of the last change of `state`. */
  readonly sinceMs: number;
  readonly negotiated?: NegotiatedSession;
  /** Why it is not Established: last failure or what it waits for. */
  readonly lastReason?: SessionDownReason;
  /** How the last Established session ended; what dials since then came to does not change it. */
  readonly lastDown?: SessionDownReason;
  readonly counters: SessionCounters;
}

export interface PeerStatus extends SessionStatus {
  readonly config: PeerConfig;
  /** Paths in the Adj-RIB-In and how many of them policy let in. */
  readonly received: number;
  readonly accepted: number;
  readonly stale: number;
  /** Announcements that a `maxPrefix` of action `discard` has kept out since there was room last. */
  readonly discarded: number;
  /** Paths in the Adj-RIB-Out. */
  readonly advertised: number;
  /** End-of-RIB seen on this session, per family. */
  readonly endOfRibReceived: readonly Family[];
}

/** The whole speaker as the agent sees it. */
export interface BgpSpeaker {
  /** Opens the listening sockets and starts the peers. Throws a `BgpError` with code `LISTEN_FAILED`. */
  start(): Promise<void>;
  /**
   * `restart`: close the TCP connections without a NOTIFICATION so that peers keep our routes (RFC 4724).
   * `shutdown`: Cease 6/2 to everyone with `message` as text (RFC 9003), flushed before the close.
   */
  stop(mode: "restart" | "shutdown", message?: string): Promise<void>;
  /**
   * Waits for peers elsewhere from now on, or from the start on; sessions go on. Rejects with a `BgpError` of code
   * `LISTEN_FAILED`, and listens where it did before.
   */
  listen(place: ListenPlace): Promise<void>;
  /** Why `setPeers` would throw `UNSUPPORTED_TRANSPORT` for this peer, as half a sentence; undefined if it would not. */
  refusal(peer: PeerConfig): string | undefined;
  /**
   * The whole wanted set; sessions whose configuration did not change are not touched, and one of which only the password
   * changed goes on with the new one. Throws a `BgpError`, and changes nothing: `DUPLICATE_PEER` if two have the same name or
   * address, `UNSUPPORTED_TRANSPORT` if the sockets lack what one asks for.
   */
  setPeers(peers: readonly PeerConfig[]): void;
  /**
   * Changes of the wanted set, at a cost in proportion to them: peers that are new or configured otherwise, and names of
   * those that are not wanted any more. Throws as `setPeers`, and changes nothing then.
   */
  updatePeers(set: readonly PeerConfig[], remove: readonly string[]): void;
  /**
   * The whole wanted set of ranges out of which peers may come by themselves. A session of one that stays the same is not
   * touched. A configured peer goes before a range, and a longer prefix before a shorter one. Throws `UNSUPPORTED_TRANSPORT`,
   * and changes nothing, as `setPeers`.
   */
  setPeerRanges(ranges: readonly PeerRange[]): void;
  /** Changes of the originated routes; an announced prefix replaces itself. */
  updateOriginated(announce: readonly OriginatedRoute[], withdraw: readonly Prefix[]): void;
  /**
   * BFD says that the peer, or the way to it, is dead: an Established session ends at once and its routes go. Routes that are
   * kept for a peer that restarts gracefully go only if its BFD does not share the fate of what restarts (RFC 5882 §4.3).
   */
  peerUnreachable(peer: string, cause: { readonly text: string; readonly controlPlaneIndependent: boolean }): void;
  /** The answers of the next hop resolver may have changed: look at the paths that they concern again. */
  nextHopsChanged(): void;
  peers(): readonly PeerStatus[];
  peer(name: string): PeerStatus | undefined;
  /** The Loc-RIB's choice for one prefix; empty if none. */
  bestPaths(prefix: Prefix): readonly Path[];
  /** Every prefix with a choice. */
  locRib(): Iterable<LocRibChange>;
  explain(prefix: Prefix): readonly ExplainedPath[];
  /** What happened, oldest first, as far back as `SpeakerOptions.history` reaches. */
  history(query?: HistoryQuery): readonly HistoryEvent[];
  /** What the peer has announced and what became of it, refused routes included. */
  received(peer: string, selection?: RouteSelection): readonly ExplainedPath[];
  /** What the peer has announced, before the import policy. */
  adjRibIn(peer: string): Iterable<ReceivedRoute>;
  /** What the peer has been told, with our path identifiers where it takes several paths. */
  advertised(peer: string, selection?: RouteSelection): readonly Path[];
}

/** What the speaker tells the agent. */
export interface BgpSpeakerListener {
  /** Batched: all changes of one turn of the event loop. Absent: nobody wants to know, and nothing is put together. */
  onLocRibChanges?(changes: readonly LocRibChange[]): void;
  /** The same as rows, which are good only during the call. */
  onLocRibRows?(rows: Int32Array | readonly number[], table: LocRibRows): void;
  /** A session is Established, or is not any more: lost, shut down, or ended because the peer was taken away or reconfigured. */
  onPeerStateChange(peer: string, state: SessionState, reason: SessionDownReason | undefined): void;
  /** All peers that were expected to restart gracefully with us have sent End-of-RIB, or the time for it is over. */
  onInitialConvergence(): void;
}
