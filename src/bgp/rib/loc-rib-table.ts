import type { Prefix } from "../../net/prefix.ts";
import { type ForwardingPath, forwardingPathOf, type LocRibRows } from "../loc-rib-rows.ts";
import type { LocRibChange } from "../paths.ts";
import { Trait } from "./attribute-summary.ts";
import { none, PathFlag } from "./path-rows.ts";
import type { Rib } from "./rib.ts";
import type { RibViews } from "./rib-views.ts";

/** Communities that forwarding may depend on: BLACKHOLE, link bandwidth. */
const askingTraits = Trait.wellKnownCommunity | Trait.extendedCommunity;

/** The RIB's choices as `LocRibRows`. */
export class LocRibTable implements LocRibRows {
  readonly #rib: Rib;
  readonly #views: RibViews;
  /** The last path: alike routes come one after the other. */
  #latest: ForwardingPath | undefined;

  constructor(rib: Rib, views: RibViews) {
    this.#rib = rib;
    this.#views = views;
  }

  prefixOf(row: number): Prefix {
    return this.#rib.prefixes.prefixOf(row);
  }

  isGone(row: number): boolean {
    const { choices } = this.#rib;
    return choices.bestOf(row) === none && choices.unresolvedOf(row).length === 0;
  }

  onlyPathOf(row: number): ForwardingPath | undefined {
    const { choices, paths, attributes } = this.#rib;
    const best = choices.bestOf(row);
    if (best === none || choices.hasSeveral(row)) return undefined;
    const accepted = paths.accepted[best] ?? none;
    if ((attributes.traitsOf(accepted) & askingTraits) !== 0) return forwardingPathOf(this.#views.path(best));
    const { source } = this.#rib.tableOf(best);
    const nextHop = this.#rib.trackedOf(best)?.nextHop;
    const stale = paths.has(best, PathFlag.stale);
    const localPref = attributes.localPrefOf(accepted);
    const latest = this.#latest;
    const isKnown =
      latest?.source === source &&
      latest.nextHop === nextHop &&
      latest.stale === stale &&
      latest.localPref === localPref;
    if (isKnown) return latest;
    this.#latest = { source, nextHop, stale, localPref, isBlackhole: false, linkBandwidth: undefined };
    return this.#latest;
  }

  changeOf(row: number): LocRibChange {
    return this.#views.change(row);
  }
}
