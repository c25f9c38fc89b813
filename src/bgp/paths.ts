import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import type { PathAttributes } from "./packet/attributes.ts";
import type { NextHop } from "./packet/message.ts";

/** A route that this speaker brings into BGP. */
export interface OriginatedRoute {
  readonly prefix: Prefix;
  readonly attributes: PathAttributes;
  /** Absent: the session's own address (next hop self). */
  readonly nextHop?: NextHop;
}

/** One path in the RIB. */
export interface Path {
  readonly prefix: Prefix;
  readonly pathId: number;
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
  readonly source: PathSource;
  /** Kept over a peer's graceful restart (RFC 4724). */
  readonly stale: boolean;
}

export type PathSource =
  | { readonly kind: "local" }
  | {
      readonly kind: "peer";
      readonly peer: string;
      readonly address: IpAddress;
      readonly type: "ibgp" | "ebgp";
      readonly remoteAs: number;
      readonly identifier: number;
      readonly routeReflectorClient: boolean;
      /** The peer may have packets dropped (`isBlackhole`). */
      readonly mayBlackhole?: boolean;
    };

/**
 * A change of the Loc-RIB: `paths` is the new choice, best first and then its equals (multipath); empty is gone. Also told
 * when a chosen path becomes stale or fresh.
 */
export interface LocRibChange {
  readonly prefix: Prefix;
  readonly paths: readonly Path[];
  /** If `paths` is empty: those that would be in it if their next hops could be reached. Absent without any. */
  readonly unresolved?: readonly Path[];
}

/** The steps of the decision process in their order (docs/bgp.md). */
export type DecisionRule =
  | "next-hop"
  | "llgr-stale"
  | "local-pref"
  | "own-route"
  | "as-path"
  | "origin"
  | "med"
  | "external"
  | "igp-metric"
  | "router-id"
  | "cluster-list"
  | "peer-address"
  | "path-id";

/** One candidate of the decision process and why it stands where it does. */
export interface ExplainedPath {
  readonly path: Path;
  readonly best: boolean;
  readonly multipath: boolean;
  /** Undefined for the best path; else the step of the decision process that put it behind, or the policy that refused it. */
  readonly lostBy?: string;
  /** The step behind `lostBy`, if the path was refused by none of the rules before. */
  readonly rule?: DecisionRule;
}

/** A route as it is in one direction of a session. */
export type ReceivedRoute = Pick<Path, "prefix" | "pathId" | "attributes" | "nextHop">;

/** Which part of a table is wanted. */
export interface RouteSelection {
  /** Routes that overlap this prefix. */
  readonly overlapping?: Prefix;
  /** This many at most. */
  readonly limit?: number;
}
