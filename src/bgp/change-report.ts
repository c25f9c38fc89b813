import type { History } from "./history/history.ts";
import { LocRibTable } from "./rib/loc-rib-table.ts";
import type { Rib } from "./rib/rib.ts";
import type { RibViews } from "./rib/rib-views.ts";
import type { BgpSpeakerListener } from "./types.ts";

/** Tells the history and the listener of prefixes whose choice changed. Makes objects only for those who want them. */
export class ChangeReport {
  readonly #views: RibViews;
  readonly #table: LocRibTable;
  readonly #listener: BgpSpeakerListener;
  readonly #history: History | undefined;

  constructor(rib: Rib, views: RibViews, listener: BgpSpeakerListener, history: History | undefined) {
    this.#views = views;
    this.#table = new LocRibTable(rib, views);
    this.#listener = listener;
    this.#history = history;
  }

  /** `changed` has the prefixes' rows. */
  tell(changed: Int32Array | readonly number[]): void {
    this.#history?.choices(changed);
    this.#listener.onLocRibRows?.(changed, this.#table);
    this.#listener.onLocRibChanges?.(Array.from(changed, (row) => this.#views.change(row)));
  }
}
