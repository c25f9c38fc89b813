import { WellKnownCommunity } from "./packet/well-known-communities.ts";
import type { Path } from "./paths.ts";

/** Departures from how a peer's routes are usually treated, by what other daemons call them. All may change on a live session. */
export interface RouteTreatment {
  /** local-as: `PeerConfig.localAs` stands in for our real AS number on this session. */
  readonly localAs?: LocalAsTreatment;
  /**
   * remove-private, towards an eBGP peer: private AS numbers (RFC 6996) are left out of the AS_PATH, or replaced by our own.
   * The peer's own number stays, so that it finds its loops.
   */
  readonly removePrivateAs?: "remove" | "replace";
  /** as-override, towards an eBGP peer: our AS number in place of the peer's own, for sites that share one. */
  readonly asOverride?: boolean;
  /** RFC 8326: routes from an eBGP peer with the community GRACEFUL_SHUTDOWN get LOCAL_PREF 0; true if absent. */
  readonly honourGracefulShutdown?: boolean;
  /** RFC 8326: tell the peer that its paths through us are about to go: the community, and LOCAL_PREF 0 towards iBGP. */
  readonly announceGracefulShutdown?: boolean;
  /** RFC 7999: packets to routes with the community BLACKHOLE are to be dropped (`isBlackhole`), and no other AS hears of them. */
  readonly honourBlackhole?: boolean;
}

export interface LocalAsTreatment {
  /** Our AS number everywhere else. */
  readonly realAs: number;
  /** Put `localAs` in front of the AS_PATHs that the peer sends; others call the opposite no-prepend. */
  readonly prependReceived: boolean;
  /** Show the peer `localAs` alone; otherwise the real number stands behind it. Others call it replace-as. */
  readonly replaceReal: boolean;
}

/** True for a route whose packets are to be dropped: its source may ask for it (RFC 7999), and does. */
export function isBlackhole({ source, attributes }: Pick<Path, "source" | "attributes">): boolean {
  return (
    source.kind === "peer" &&
    source.mayBlackhole === true &&
    attributes.communities.includes(WellKnownCommunity.blackhole)
  );
}
