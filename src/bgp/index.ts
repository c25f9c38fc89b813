/**
 * A BGP speaker as a library. `Speaker` is the small way in, `createSpeaker` the one that leaves nothing out. docs/bgp-library.md
 * has examples.
 */
export type { Clock, Timer } from "../core/clock.ts";
export { CalibirdError } from "../core/errors.ts";
export { type Logger, silentLogger } from "../core/logger.ts";
export type { TcpConnection, TcpSockets, TcpUser } from "../core/tcp.ts";
export { IpAddress } from "../net/address.ts";
export { Prefix } from "../net/prefix.ts";
export { BgpError, type BgpErrorCode } from "./errors.ts";
export type { HistoryEvent, HistoryQuery } from "./history/history.ts";
export { type Neighbor, type RouteDetails, Speaker, type SpeakerSetup } from "./library.ts";
export type { ForwardingPath, LocRibRows } from "./loc-rib-rows.ts";
export { Origin, type PathAttributes } from "./packet/attributes.ts";
export type { Family } from "./packet/family.ts";
export type { NextHop } from "./packet/message.ts";
export { WellKnownCommunity } from "./packet/well-known-communities.ts";
export type { DecisionRule, ExplainedPath, LocRibChange, OriginatedRoute, Path, PathSource } from "./paths.ts";
export type { Policy, PolicyMatch, PolicyOperation, PolicyRule, PrefixMatch } from "./policy/types.ts";
export type { DecisionOptions } from "./rib/decision-steps.ts";
export { multipathWeights } from "./rib/link-bandwidth.ts";
export type { NextHopResolver, ResolvedNextHop } from "./rib/next-hop-table.ts";
export type { PrefixLimitSettings } from "./rib/prefix-limit.ts";
export { isBlackhole, type LocalAsTreatment, type RouteTreatment } from "./route-treatment.ts";
export type { SessionDownReason, SessionState } from "./session-state.ts";
export { type CreateSpeaker, createSpeaker } from "./speaker.ts";
export type { SpeakerOptions } from "./speaker-options.ts";
export type { BgpSpeaker, BgpSpeakerListener, NegotiatedSession, PeerConfig, PeerStatus } from "./types.ts";
