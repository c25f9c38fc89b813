import type { IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";

/** What a route is for (DESIGN §6). */
export type RouteKind = "local-block" | "workload" | "remote-block" | "borrowed" | "tunnel-address" | "external";

/** How packets leave (DESIGN §6). */
export type RouteMode = "direct" | TunnelMode | "blackhole" | "device";

/** What packets to other nodes may be wrapped in: IP protocol 4, VXLAN, or UDP as flannel's udp backend does it. */
export type TunnelMode = "ipip" | "vxlan" | "udp";

/**
 * Why a route is as it is: installed in the kernel; pending, a write is on its way or is retried; conflict, somebody
 * else's route has the key; stale, kept from before a restart or from a peer that is restarting; unresolved, no way to
 * the next hop; filtered, policy keeps it out of the kernel.
 */
export type RouteState = "installed" | "pending" | "conflict" | "stale" | "unresolved" | "filtered";

/** A gateway, and if it is not to be looked up, the device that leads to it. */
export interface DesiredNextHop {
  readonly gateway: IpAddress;
  /** The gateway is on the device's link whatever its addresses say. Needs `device`. */
  readonly onlink?: boolean;
  readonly device?: string;
  /** Share of the packets among several next hops, 1 … 256; 1 if absent. */
  readonly weight?: number;
}

export type DesiredForwarding =
  | { readonly mode: "blackhole" }
  | { readonly mode: "device"; readonly device: string }
  | {
      /** Which way most of the next hops go; the kernel is told the same for all of them. */
      readonly mode: "direct" | TunnelMode;
      /** Several mean ECMP, one multipath route. A tunnelled one names the tunnel's device and is on-link. */
      readonly nextHops: readonly DesiredNextHop[];
    }
  /** Known but not to be written, e.g. an unresolvable next hop or a policy; kept so that it can be shown. */
  | {
      readonly mode: "none";
      readonly state: "unresolved" | "filtered";
      readonly intended: RouteMode;
      readonly nextHop?: IpAddress;
    };

/** What a route of the kernel's main table shall be, whatever its prefix. */
export interface RouteWish {
  readonly kind: RouteKind;
  readonly forwarding: DesiredForwarding;
  /** Linux route metric; 0 means none. */
  readonly metric: number;
  readonly mtu?: number;
  readonly preferredSource?: IpAddress;
  /** Node that owns it, where known. */
  readonly node?: string;
  /** The peer is restarting and the route is kept meanwhile. */
  readonly stale?: boolean;
  /** Why it is like this, for people; e.g. "own block of pool pods". */
  readonly reason: string;
}

/** A route that shall be in the kernel's main table. Key: the prefix. */
export interface DesiredRoute extends RouteWish {
  readonly prefix: Prefix;
}

/** The same in two parts: prefixes whose routes are alike share one wish, which costs nothing per prefix then. */
export interface RouteDemand {
  readonly prefix: Prefix;
  readonly wish: RouteWish;
}

/**
 * Takes routes by the rows of the index that it has in common with whoever gives them (`Fib.index`), who holds the row during
 * the call.
 */
export interface RouteSink {
  /** The whole new route of the row's prefix. */
  want(row: number, wish: RouteWish): void;
  /** Nobody wants it any more. */
  drop(row: number): void;
}

/** One desired route and what became of it. */
export interface RouteStatus {
  readonly route: DesiredRoute;
  readonly state: RouteState;
  /** Explains `state`, e.g. "ENETUNREACH: network is unreachable" or "route of protocol static (4) has this key". */
  readonly reason: string;
  /** Unix milliseconds of the last change of `state`. */
  readonly sinceMs: number;
  /** What another program keeps doing to it, whatever `state` is just now. */
  readonly contested?: string;
  /** Device that it leaves by, once resolved. */
  readonly device?: string;
  readonly protocol: number;
}

/** The routes in numbers. */
export interface RouteTally {
  readonly counts: Readonly<Record<RouteState, number>>;
  /** Those that other programs keep undoing. */
  readonly contested: readonly RouteStatus[];
  /** One of those that other programs' routes are in the way of. */
  readonly firstConflict?: RouteStatus;
}

/** What `Fib.update` changes: the whole new route of every prefix in `set`, and prefixes that nobody wants any more. */
export interface FibUpdate {
  readonly set: readonly RouteDemand[];
  readonly remove: readonly Prefix[];
}

/** A prefix whose status is another than before; without `status` it is neither desired nor kept any more. */
export interface StatusChange {
  readonly prefix: Prefix;
  readonly status?: RouteStatus;
}
