import type { Family } from "../packet/family.ts";
import { noBucket } from "./bucket.ts";
import { isPathSlot, type Slot } from "./path-slots.ts";
import type { ToldSnapshot } from "./told-snapshot.ts";

/**
 * How far somebody has come who is told a whole Adj-RIB-Out: newcomers, who know nothing, and others who know what `told` says.
 *
 * Invariants: places of prefixes below `prefix` and places of paths of which the complement is below `path` are behind it.
 */
export class TableWalk {
  readonly told: ToldSnapshot | undefined;
  /** Families of which also what has been told already is told once more. */
  readonly repeated: ReadonlySet<Family>;
  prefix = 0;
  path = 0;

  /** Takes over the hold of `told`. */
  constructor(told: ToldSnapshot | undefined, repeated: ReadonlySet<Family> = new Set()) {
    this.told = told;
    this.repeated = repeated;
  }

  isAhead(slot: Slot): boolean {
    return isPathSlot(slot) ? ~slot >= this.path : slot >= this.prefix;
  }

  /** Puts into columns of an Adj-RIB-Out what is known of the places ahead. */
  restore(ofPrefix: Int32Array, ofPath: Int32Array): void {
    ofPrefix.fill(noBucket, this.prefix);
    ofPath.fill(noBucket, this.path);
    this.told?.restore(ofPrefix, this.prefix, ofPath, this.path);
  }

  copy(): TableWalk {
    this.told?.retain();
    const walk = new TableWalk(this.told, this.repeated);
    walk.prefix = this.prefix;
    walk.path = this.path;
    return walk;
  }

  /** It is over. */
  close(): void {
    this.told?.release();
  }
}
