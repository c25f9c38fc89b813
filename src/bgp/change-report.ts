import type { History } from "./history/history.ts";
import { changeOf, type RibViews } from "./rib/rib-views.ts";
import type { BgpSpeakerListener } from "./types.ts";

/** Tells of prefixes whose choice changed, by their rows. Makes objects only for those who listen, who share them with the history. */
export function tellChanges(
  changed: readonly number[],
  views: RibViews,
  listener: BgpSpeakerListener,
  history: History | undefined,
): void {
  if (history === undefined) {
    listener.onLocRibChanges?.(changed.map((row) => views.change(row)));
    return;
  }
  const destinations = changed.map((row) => views.destination(row));
  history.bestPaths(destinations);
  listener.onLocRibChanges?.(destinations.map(changeOf));
}
