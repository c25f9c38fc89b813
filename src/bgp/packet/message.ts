import type { IpAddress } from "../../net/address.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { PathAttributes } from "./attributes.ts";
import type { Capability } from "./capability.ts";
import type { AfiSafi, Family } from "./family.ts";

/** RFC 4271 §4.2. */
export interface OpenMessage {
  readonly type: "open";
  /** Always 4 in a message that decoded. */
  readonly version: number;
  /** The two-octet My Autonomous System field; 23456 (AS_TRANS) if the real one needs four octets. */
  readonly myAs: number;
  /** 0 or 3 … 65535 seconds. */
  readonly holdTimeSec: number;
  /** Unsigned 32-bit number, never 0. */
  readonly bgpIdentifier: number;
  readonly capabilities: readonly Capability[];
}

/** A prefix with the path identifier of RFC 7911; `pathId` is 0 on a session without ADD-PATH. */
export interface Nlri {
  readonly prefix: Prefix;
  readonly pathId: number;
}

/**
 * The next hop of an UPDATE, of the routes' own family or, where agreed on, an IPv6 address for IPv4 routes (RFC 8950).
 * `linkLocal` is the second address of a 32-octet IPv6 next hop (RFC 2545 §3).
 */
export interface NextHop {
  readonly address: IpAddress;
  readonly linkLocal?: IpAddress;
}

/** Reachable routes of one family that share a next hop and the UPDATE's attributes. */
export interface Announcement {
  readonly family: Family;
  readonly nextHop: NextHop;
  readonly nlri: readonly Nlri[];
}

export interface Withdrawal {
  readonly family: Family;
  readonly nlri: readonly Nlri[];
}

/** What an attribute error did to the UPDATE (RFC 7606 §2), for logs and counters. */
export interface AttributeProblem {
  readonly outcome: "treat-as-withdraw" | "attribute-discard";
  /** Attribute type code, or undefined where the attribute list as a whole is broken. */
  readonly attribute?: number;
  readonly reason: string;
}

/**
 * An UPDATE after decoding and RFC 7606 error handling: with treat-as-withdraw the routes stand in `withdrawals` and
 * `announcements` is empty. `attributes` is present exactly when `announcements` is not empty. Withdrawals apply first; a
 * prefix in both is announced (RFC 4271 §4.3).
 */
export interface UpdateMessage {
  readonly type: "update";
  readonly withdrawals: readonly Withdrawal[];
  readonly announcements: readonly Announcement[];
  readonly attributes?: PathAttributes;
  /** Set if the message is an End-of-RIB marker (RFC 4724 §2). */
  readonly endOfRib?: Family;
  readonly problems: readonly AttributeProblem[];
}

/** RFC 4271 §4.5. */
export interface NotificationMessage {
  readonly type: "notification";
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
}

/** RFC 4271 §4.4. */
export interface KeepaliveMessage {
  readonly type: "keepalive";
}

/** RFC 2918 and 7313. */
export interface RouteRefreshMessage extends AfiSafi {
  readonly type: "route-refresh";
  /** 0 normal request, 1 beginning of refresh, 2 end of refresh; others are ignored by the receiver. */
  readonly subtype: number;
}

export type BgpMessage = OpenMessage | UpdateMessage | NotificationMessage | KeepaliveMessage | RouteRefreshMessage;

/** A protocol error that must end the session: the NOTIFICATION that says so, and the reason for the log. */
export interface SessionError {
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
  readonly reason: string;
}

/** Result of decoding one whole message. Decoders never throw for bytes from outside. */
export type DecodeResult<Message extends BgpMessage = BgpMessage> =
  | { readonly ok: true; readonly message: Message }
  | { readonly ok: false; readonly error: SessionError };

/**
 * What the two sides agreed on in their OPENs and the codec must know. Fixed when the session is Established and never
 * changed in its life (RFC 7911 §4: one wrong flag and every NLRI reads as garbage).
 */
export interface CodecContext {
  readonly peerType: "ibgp" | "ebgp";
  /** Both sides sent capability 65: AS numbers have four octets on the wire. */
  readonly fourOctetAs: boolean;
  /** Largest message we may send or receive: 4096 or 65535 octets (RFC 8654). */
  readonly maxMessageLength: 4096 | 65535;
  /** Families agreed on; NLRI of others is ignored (RFC 4760 §7). */
  readonly families: readonly Family[];
  /** Families in which the peer sends path identifiers. */
  readonly addPathReceive: readonly Family[];
  /** Families in which we send path identifiers. */
  readonly addPathSend: readonly Family[];
  /** Both sides sent capability 5 for IPv4 unicast: its routes may have IPv6 next hops (RFC 8950). */
  readonly ipv4OverIpv6?: boolean;
  /** Both sides sent capability 70 (RFC 7313); decides only how a ROUTE-REFRESH of the wrong length is answered. */
  readonly enhancedRouteRefresh?: boolean;
}
