import type { Prefix } from "../../net/prefix.ts";
import type { PathAttributes } from "../packet/attributes.ts";
import type { NextHop } from "../packet/message.ts";
import type { Path, PathSource } from "../paths.ts";
import type { TrackedNextHop } from "./next-hop-table.ts";

/** Everything known about one prefix at one moment. */
export interface Destination {
  readonly prefix: Prefix;
  /** All paths of all sources, refused ones included. */
  readonly paths: readonly PathView[];
  /** The Loc-RIB's choice: best first, then its equals. */
  readonly selected: readonly PathView[];
  /** Without a choice: the paths that would be it if their next hops could be reached. */
  readonly unresolved: readonly PathView[];
}

/** A row of the RIB as an object, for those who look at single paths. Shows what was when it was made. */
export class PathView implements Path {
  readonly prefix: Prefix;
  readonly pathId: number;
  readonly attributes: PathAttributes;
  readonly nextHop: NextHop | undefined;
  readonly source: PathSource;
  readonly stale: boolean;
  // Private, so that a path prints as what the interface says.
  readonly #tracked: TrackedNextHop | undefined;
  readonly #refused: string | undefined;

  constructor(path: Omit<Path, "nextHop">, tracked: TrackedNextHop | undefined, refused: string | undefined) {
    this.prefix = path.prefix;
    this.pathId = path.pathId;
    this.attributes = path.attributes;
    this.nextHop = tracked?.nextHop;
    this.source = path.source;
    this.stale = path.stale;
    this.#tracked = tracked;
    this.#refused = refused;
  }

  /** Undefined for a route of our own that takes the session's address. Says how the next hop is reached today. */
  get tracked(): TrackedNextHop | undefined {
    return this.#tracked;
  }

  /** Why the path takes no part in the choice; undefined if it does. */
  get refused(): string | undefined {
    return this.#refused;
  }
}
