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

/**
 * A capability of an OPEN message (RFC 5492). Those that we do not know are kept as octets, so that they can be shown.
 * Malformed ones are handled as facts/bgp.md D.2 item 14 says and never reach this type.
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
  | { readonly kind: "unknown"; readonly code: number; readonly value: Uint8Array };
