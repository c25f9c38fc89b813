import type { StaleRoutes } from "./graceful-restart.ts";
import type { PathAttributes } from "./packet/attributes.ts";
import { type AdjRibIn, isOf } from "./rib/adj-rib-in.ts";
import type { Rib } from "./rib/rib.ts";

/** What the keeper of a peer's stale routes needs of the RIB. */
export interface StaleRouteEnvironment {
  readonly rib: Rib;
  readonly intern: (attributes: PathAttributes) => PathAttributes;
  /** Something in the RIB or the peer changed that has to be worked on. */
  readonly wake: () => void;
}

/** The stale routes of one Adj-RIB-In. */
export function staleRoutesOf(table: AdjRibIn, { rib, intern, wake }: StaleRouteEnvironment): StaleRoutes {
  return {
    get count() {
      return table.stale;
    },
    mark: (families) => rib.markStale(table, families),
    markLongLived: (families) => {
      rib.markLongLived(table, families, intern);
      wake();
    },
    sweep: (families) => {
      rib.removeWhere(table, (path) => path.stale && (families === undefined || isOf(path, families)));
      wake();
    },
    keepOnly: (families) => {
      rib.removeWhere(table, (path) => !isOf(path, families));
      wake();
    },
  };
}
