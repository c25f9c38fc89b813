/** The states of RFC 4271 §8.2.2. */
export type SessionState = "Idle" | "Connect" | "Active" | "OpenSent" | "OpenConfirm" | "Established";

/** Why an Established (or younger) session ended. */
export interface SessionDownReason {
  readonly kind:
    | "tcp-closed"
    | "tcp-failed"
    | "hold-timer-expired"
    | "send-hold-timer-expired"
    | "notification-received"
    | "notification-sent"
    /** BFD says that the peer, or the way to it, is dead (RFC 5882 §4.2). */
    | "bfd-down"
    | "administrative";
  /** Set for the two notification kinds. */
  readonly notification?: { readonly code: number; readonly subcode: number };
  /** One sentence for logs and `calictl node status`. */
  readonly text: string;
}
