import type { RouteDemand, RouteSink, RouteWish } from "../../fib/types.ts";
import type { Prefix } from "../../net/prefix.ts";
import type { PrefixIndex } from "../../net/prefix-index.ts";

/** Keeps by prefix what is given by row, for those who want to look at it before the FIB gets it. */
export class GatheredRoutes implements RouteSink {
  readonly set: RouteDemand[] = [];
  readonly remove: Prefix[] = [];
  readonly #index: PrefixIndex;

  constructor(index: PrefixIndex) {
    this.#index = index;
  }

  want(row: number, wish: RouteWish): void {
    this.set.push({ prefix: this.#index.prefixOf(row), wish });
  }

  drop(row: number): void {
    this.remove.push(this.#index.prefixOf(row));
  }
}
