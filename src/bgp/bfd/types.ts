import type { BfdSnapshot, BfdTimers } from "./session.ts";

/** One neighbour that is watched. Immutable; a change is a new object with the same `name`. */
export interface BfdPeer {
  readonly name: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** The interface's index if the addresses are link-local, else 0. */
  readonly scopeId: number;
  /** RFC 5883 on port 4784 instead of RFC 5881 on port 3784, where only packets that no router has touched count. */
  readonly multihop: boolean;
  readonly timers: BfdTimers;
}

/** A session as it is now. */
export interface BfdStatus extends BfdSnapshot {
  readonly name: string;
  /** Unix milliseconds of the last change of `state`. */
  readonly sinceMs: number;
  /** Why packets cannot be sent or received; undefined if they can. */
  readonly problem: string | undefined;
}

/** From the main thread to the thread of the sessions. */
export type BfdCommand =
  /** All peers that there shall be; sessions whose peer did not change go on. */
  { readonly kind: "peers"; readonly peers: readonly BfdPeer[] } | { readonly kind: "close" };

/** From the thread of the sessions to the main thread. */
export type BfdReport =
  | { readonly kind: "ready" }
  | { readonly kind: "status"; readonly status: BfdStatus; readonly was: BfdSnapshot["state"] }
  /** A port cannot be listened on; sessions of this kind stay down. */
  | { readonly kind: "problem"; readonly text: string };
