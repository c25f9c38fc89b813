import type { RouteDemand, RouteMode, RouteStatus, RouteWish, StatusChange } from "../../fib/types.ts";
import { PrefixSet } from "../../net/prefix-map.ts";
import type { TunnelRoutes } from "../../tunnel/userspace-tunnel.ts";

/** What the user-space tunnel needs of routes. */
interface RouteFollower {
  setRoutes(routes: TunnelRoutes): void;
}

/**
 * Tells a user-space tunnel which nodes the routes through it lead to: before the kernel gets such a route, and until it has
 * another way instead or none, so that no packet meets a tunnel that does not know where to.
 */
export class TunnelRouteFeed {
  readonly #mode: RouteMode;
  #follower: RouteFollower | undefined;
  /** The prefixes that the tunnel has a route for. */
  readonly #told = new PrefixSet();

  /** Of routes of this mode. */
  constructor(mode: "ipip" | "udp") {
    this.#mode = mode;
  }

  /** From now on the follower is told everything, beginning with what is known already. */
  follow(follower: RouteFollower, known: Iterable<RouteStatus>): void {
    this.#follower = follower;
    this.willBeWritten([...known].map(({ route }) => ({ prefix: route.prefix, wish: route })));
  }

  /** Whether a route matters before it is written: it leads through the tunnel, and there is one. */
  concerns({ forwarding }: RouteWish): boolean {
    return forwarding.mode === this.#mode && this.#follower !== undefined;
  }

  /** Whether changes matter: the tunnel has routes. */
  get isFollowed(): boolean {
    return this.#told.size > 0;
  }

  /** These routes are about to be given to the kernel. */
  willBeWritten(routes: readonly RouteDemand[]): void {
    if (this.#follower === undefined) return;
    const set: TunnelRoutes["set"][number][] = [];
    for (const { prefix, wish } of routes) {
      const { forwarding } = wish;
      if (forwarding.mode !== this.#mode || !("nextHops" in forwarding)) continue;
      set.push({ prefix, nodes: forwarding.nextHops.filter(({ onlink }) => onlink).map(({ gateway }) => gateway) });
      this.#told.add(prefix);
    }
    if (set.length > 0) this.#follower.setRoutes({ set, remove: [] });
  }

  /** The kernel has answered. */
  haveChanged(changes: readonly StatusChange[]): void {
    if (this.#follower === undefined) return;
    const remove = changes
      .filter(({ prefix, status }) => this.#told.has(prefix) && (status === undefined || this.#isElsewhere(status)))
      .map(({ prefix }) => prefix);
    for (const prefix of remove) this.#told.delete(prefix);
    if (remove.length > 0) this.#follower.setRoutes({ set: [], remove });
  }

  #isElsewhere({ state, route }: RouteStatus): boolean {
    const { mode } = route.forwarding;
    return state === "installed" && mode !== this.#mode && mode !== "none";
  }
}
