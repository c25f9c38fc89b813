import type { RouteDemand, RouteSink, RouteWish } from "../../fib/types.ts";
import type { PrefixIndex } from "../../net/prefix-index.ts";

/** Who looks at some routes before the kernel gets them. */
export interface RouteObserver {
  concerns(wish: RouteWish): boolean;
  willBeWritten(routes: readonly RouteDemand[]): void;
}

/** Passes routes on, and tells observers of those that concern them. */
export class WatchedRoutes implements RouteSink {
  readonly #sink: RouteSink;
  readonly #index: PrefixIndex;
  readonly #observers: readonly RouteObserver[];
  readonly #demands: readonly RouteDemand[][];

  constructor(sink: RouteSink, index: PrefixIndex, observers: readonly RouteObserver[]) {
    this.#sink = sink;
    this.#index = index;
    this.#observers = observers;
    this.#demands = observers.map(() => []);
  }

  want(row: number, wish: RouteWish): void {
    for (let index = 0; index < this.#observers.length; index++)
      if (this.#observers[index]?.concerns(wish) === true)
        this.#demands[index]?.push({ prefix: this.#index.prefixOf(row), wish });
    this.#sink.want(row, wish);
  }

  drop(row: number): void {
    this.#sink.drop(row);
  }

  /** To be called before the kernel may get what was passed on. */
  tell(): void {
    for (const [index, observer] of this.#observers.entries()) {
      const demands = this.#demands[index] ?? [];
      if (demands.length > 0) observer.willBeWritten(demands);
    }
  }
}
