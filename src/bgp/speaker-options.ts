import type { IpAddress } from "../net/address.ts";
import type { SessionTiming } from "./fsm/timing.ts";
import type { Family } from "./packet/family.ts";
import type { DecisionOptions } from "./rib/decision-steps.ts";
import type { NextHopResolver } from "./rib/next-hop-table.ts";
import type { BgpTap } from "./tap.ts";

/** What can be adjusted; everything has a default. */
export interface SpeakerOptions {
  /** How many past events of routes, and as many of sessions, are kept for `BgpSpeaker.history`; none if absent. */
  readonly history?: number;
  /** RFC 8212: an eBGP peer without import policy gives, and one without export policy gets, no routes; false if absent. */
  readonly requirePolicy?: boolean;
  /** How the best path is chosen, where it differs from `defaultDecisionOptions`. */
  readonly decision?: Partial<DecisionOptions>;
  /** This process takes over from an earlier one whose routes peers may still hold (RFC 4724 §4.1). */
  readonly restarting?: { readonly forwardingPreserved: boolean; readonly deferralSec: number };
  /** How long initial convergence may take when not restarting; 120 if absent. */
  readonly convergenceSec?: number;
  /** Upper limit of a restarting peer's own Restart Time; 600 if absent. */
  readonly longestRestartSec?: number;
  /** Upper limit of a peer's long-lived stale time (RFC 9494); 86400 if absent, and 0 keeps nothing beyond the Restart Time. */
  readonly longestLongLivedSec?: number;
  /** How long a peer that is back may take to announce its routes again; 360 if absent. */
  readonly stalePathSec?: number;
  /** Deviations from the usual times of a session. */
  readonly timing?: Partial<SessionTiming>;
  /** Sees the octets of all sessions. */
  readonly tap?: BgpTap;
  /** All next hops are reachable at cost 0 if absent. */
  readonly resolveNextHop?: NextHopResolver;
  /** Further addresses of this machine, which are refused as next hops. */
  readonly isOwnAddress?: (address: IpAddress) => boolean;
  /** Next hop self per family, e.g. for IPv6 routes over an IPv4 session. A family without one takes the session's own address. */
  readonly ownNextHops?: Readonly<Partial<Record<Family, IpAddress>>>;
  /** Next hop self on sessions whose own address is of the other family. */
  readonly spareNextHops?: Readonly<Partial<Record<Family, IpAddress>>>;
}
