import type { Prefix } from "../../net/prefix.ts";
import type { Path } from "../types.ts";

/**
 * A place in an Adj-RIB-Out: a prefix, or with ADD-PATH one path of a prefix. Known by identity, and the same object in all
 * groups, so that members can move between them.
 */
export interface Slot {
  readonly prefix: Prefix;
  /** Our path identifier (RFC 7911 §3); absent where there is one path per prefix. */
  readonly pathId?: number;
}

/** The place of one path among others of its prefix. It stays when the source replaces the path, and ends with its withdrawal. */
export interface PathSlot extends Slot {
  /** Never used for another path of this prefix while somebody may have heard of it. */
  readonly pathId: number;
  /** What the source says now. */
  path: Path;
}
