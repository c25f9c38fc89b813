import type { StaleRoutes } from "./graceful-restart.ts";
import type { AdjRibIn } from "./rib/adj-rib-in.ts";
import { PathFlag } from "./rib/path-rows.ts";
import type { Rib } from "./rib/rib.ts";

/** What the keeper of a peer's stale routes needs of the RIB. */
export interface StaleRouteEnvironment {
  readonly rib: Rib;
  /** Something in the RIB or the peer changed that has to be worked on. */
  readonly wake: () => void;
}

/** The stale routes of one Adj-RIB-In. */
export function staleRoutesOf(table: AdjRibIn, { rib, wake }: StaleRouteEnvironment): StaleRoutes {
  return {
    get count() {
      return table.stale;
    },
    mark: (families) => rib.markStale(table, families),
    markLongLived: (families) => {
      rib.markLongLived(table, families);
      wake();
    },
    sweep: (families) => {
      rib.removeWhere(
        table,
        (row) => rib.paths.has(row, PathFlag.stale) && (families === undefined || rib.isOf(row, families)),
      );
      wake();
    },
    keepOnly: (families) => {
      rib.removeWhere(table, (row) => !rib.isOf(row, families));
      wake();
    },
  };
}
