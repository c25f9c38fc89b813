/**
 * The BGP codec: octets to values and back, without sockets, clocks or state. Usable alone.
 *
 * Receive: `MessageFramer` cuts the stream into messages, `decodeMessage` reads one. Both give errors as values that name the
 * NOTIFICATION to send, and never throw. Send: the `encode…` functions, which throw `BgpPacketError` for values that no
 * valid message can carry.
 */
export { type AddressFamily, IpAddress } from "../../net/address.ts";
export { Prefix } from "../../net/prefix.ts";
export type { AttributeCategory, AttributeOutcome, AttributeRule, UnreadCondition } from "./attribute-rule.ts";
export { attributeRules } from "./attribute-table.ts";
export {
  type Aggregator,
  type AsPath,
  type AsPathSegment,
  type LargeCommunity,
  Origin,
  type PathAttributes,
  type UnknownAttribute,
} from "./attributes.ts";
export {
  type AddPathFamily,
  type BgpRole,
  bgpRoles,
  type Capability,
  type ExtendedNextHopFamily,
  type GracefulRestartFamily,
  type LongLivedFamily,
} from "./capability.ts";
export { asTrans, extendedMaxMessageLength, standardMaxMessageLength } from "./constants.ts";
export { decodeMessage } from "./decode.ts";
export { BgpPacketError, type BgpPacketErrorCode } from "./errors.ts";
export { Afi, type AfiSafi, afiSafiOf, type Family, families, familyOf, Safi } from "./family.ts";
export { formatAsPath, formatCommunity, formatExtendedCommunity, formatLargeCommunity } from "./format.ts";
export { formatCapability } from "./format-capability.ts";
export { type FramerResult, MessageFramer } from "./framer.ts";
export { type HeaderResult, readHeader } from "./header.ts";
export { encodeKeepalive } from "./keepalive.ts";
export type {
  Announcement,
  AttributeProblem,
  BgpMessage,
  CodecContext,
  DecodeResult,
  KeepaliveMessage,
  NextHop,
  Nlri,
  NotificationMessage,
  OpenMessage,
  RouteRefreshMessage,
  SessionError,
  UpdateMessage,
  Withdrawal,
} from "./message.ts";
export { encodeNotification, encodeShutdownCommunication, shutdownCommunication } from "./notification.ts";
export { notificationName } from "./notification-names.ts";
export { encodeOpen } from "./open.ts";
export { encodeRouteRefresh } from "./route-refresh.ts";
export { encodeEndOfRib, encodeUpdates, type UpdateParts } from "./update-encode.ts";
export { WellKnownCommunity } from "./well-known-communities.ts";
