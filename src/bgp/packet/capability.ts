import type { AfiSafi } from "./family.ts";

/** One family of a graceful restart capability (RFC 4724 §3). */
export interface GracefulRestartFamily extends AfiSafi {
  /** The F bit: forwarding state of this family was kept over the restart. */
  readonly forwardingPreserved: boolean;
}

/** One family of an ADD-PATH capability (RFC 7911 §4); `mode` is from the sender's view. */
export interface AddPathFamily extends AfiSafi {
  readonly mode: "receive" | "send" | "both";
}

/** One family of an Extended Next Hop Encoding capability (RFC 8950 §4): NLRI of `afi`/`safi` with next hops of `nextHopAfi`. */
export interface ExtendedNextHopFamily extends AfiSafi {
  readonly nextHopAfi: number;
}

/** One family of a long-lived graceful restart capability (RFC 9494 §3). */
export interface LongLivedFamily extends AfiSafi {
  /** The F bit, as in graceful restart. */
  readonly forwardingPreserved: boolean;
  /** Long-lived stale time: 0 … 16777215 seconds, counted from the end of the Restart Time. */
  readonly staleTimeSec: number;
}

/** The roles of RFC 9234 §4.1 by their number on the wire: what the sender is to the receiver. */
export const bgpRoles = ["provider", "route-server", "route-server-client", "customer", "peer"] as const;
export type BgpRole = (typeof bgpRoles)[number];

/**
 * A capability of an OPEN message (RFC 5492). Those that we do not know are kept as octets, so that they can be shown. A
 * malformed one never becomes this: multiprotocol and four-octet AS refuse the OPEN, all others count as not sent.
 */
export type Capability =
  | ({ readonly kind: "multiprotocol" } & AfiSafi)
  | { readonly kind: "route-refresh" }
  | { readonly kind: "extended-message" }
  | {
      readonly kind: "graceful-restart";
      /** The R bit: the sender has restarted. */
      readonly restarting: boolean;
      /** The N bit (RFC 8538): graceful restart also covers NOTIFICATION and hold timer expiry. */
      readonly notification: boolean;
      /** 0 … 4095 seconds. */
      readonly restartTimeSec: number;
      readonly families: readonly GracefulRestartFamily[];
    }
  | { readonly kind: "four-octet-as"; readonly asNumber: number }
  | { readonly kind: "add-path"; readonly families: readonly AddPathFamily[] }
  | { readonly kind: "enhanced-route-refresh" }
  | { readonly kind: "extended-next-hop"; readonly families: readonly ExtendedNextHopFamily[] }
  /** `value` is an index of `bgpRoles`, or a number that is not assigned. */
  | { readonly kind: "role"; readonly value: number }
  | { readonly kind: "long-lived-graceful-restart"; readonly families: readonly LongLivedFamily[] }
  | { readonly kind: "unknown"; readonly code: number; readonly value: Uint8Array };
