import type { Prefix } from "../net/prefix.ts";
import type { NextHop } from "./packet/message.ts";
import type { LocRibChange, Path, PathSource } from "./paths.ts";
import { linkBandwidthOf } from "./rib/link-bandwidth.ts";
import { isBlackhole } from "./route-treatment.ts";

/** What of a path decides where packets go. Paths that are alike in it may share one object. */
export interface ForwardingPath {
  readonly source: PathSource;
  readonly nextHop: NextHop | undefined;
  /** Kept over a peer's graceful restart (RFC 4724). */
  readonly stale: boolean;
  readonly localPref: number | undefined;
  /** Packets are to be dropped (RFC 7999). */
  readonly isBlackhole: boolean;
  /** Octets per second, of the link bandwidth community. */
  readonly linkBandwidth: number | undefined;
}

/**
 * The Loc-RIB by the rows of its prefixes, for listeners that keep full tables and want no object for each route. A row is that
 * of one prefix from the moment in which it is told until it has been told without any path; then it may become another's.
 */
export interface LocRibRows {
  prefixOf(row: number): Prefix;
  /** True if there is no path, not even one whose next hop cannot be reached. */
  isGone(row: number): boolean;
  /** The chosen path if it is the only one; undefined without a choice or with several: `changeOf` knows them. */
  onlyPathOf(row: number): ForwardingPath | undefined;
  changeOf(row: number): LocRibChange;
}

export function forwardingPathOf({ source, nextHop, stale, attributes }: Path): ForwardingPath {
  return {
    source,
    nextHop,
    stale,
    localPref: attributes.localPref,
    isBlackhole: isBlackhole({ source, attributes }),
    linkBandwidth: linkBandwidthOf(attributes),
  };
}
