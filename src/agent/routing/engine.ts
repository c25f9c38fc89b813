import type { LocRibRows } from "../../bgp/loc-rib-rows.ts";
import type { BgpSpeaker } from "../../bgp/types.ts";
import type { Fib } from "../../fib/fib.ts";
import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { RouteComposer } from "./composer.ts";
import type {
  PeerRoute,
  RoutingBlock,
  RoutingChanges,
  RoutingPool,
  RoutingWorkload,
  ServiceRanges,
} from "./sources.ts";
import { type RouteObserver, WatchedRoutes } from "./watched-routes.ts";

/** Carries every change of a source through the composer to the kernel and to BGP. */
export class RoutingEngine {
  readonly composer: RouteComposer;
  readonly #fib: Fib;
  readonly #speaker: () => BgpSpeaker;
  readonly #observers: readonly RouteObserver[];

  /** `speaker` is asked for late, because the speaker's listener needs the engine. Composer and FIB have the same index. */
  constructor(composer: RouteComposer, fib: Fib, speaker: () => BgpSpeaker, observers: readonly RouteObserver[]) {
    this.composer = composer;
    this.#fib = fib;
    this.#speaker = speaker;
    this.#observers = observers;
  }

  setPools(pools: readonly RoutingPool[]): void {
    this.#apply(this.composer.setPools(pools));
  }

  updateBlocks(changes: readonly RoutingBlock[]): void {
    this.#apply(this.composer.updateBlocks(changes));
  }

  updateWorkloads(added: readonly RoutingWorkload[], removed: readonly Prefix[]): void {
    this.#apply(this.composer.updateWorkloads(added, removed));
  }

  updateLearned(rows: Int32Array | readonly number[], table: LocRibRows): void {
    this.#fib.updateRows((sink) => {
      const watched = new WatchedRoutes(sink, this.#fib.index, this.#observers);
      this.composer.updateLearned(rows, table, watched);
      watched.tell();
    });
  }

  setTunnelAddresses(addresses: readonly IpAddress[]): void {
    this.#apply(this.composer.setTunnelAddresses(addresses.map(Prefix.host)));
  }

  setPeerRoutes(routes: readonly PeerRoute[]): void {
    this.#apply(this.composer.setPeerRoutes(routes));
    this.#speaker().nextHopsChanged();
  }

  setServices(services: ServiceRanges): void {
    this.#apply(this.composer.setServices(services));
  }

  nodesChanged(addresses: readonly IpAddress[]): void {
    this.#apply(this.composer.nodesChanged(addresses));
  }

  encapsulationChanged(): void {
    this.#apply(this.composer.encapsulationChanged());
  }

  tunnelPeersChanged(addresses: readonly IpAddress[]): void {
    this.#apply(this.composer.tunnelPeersChanged(addresses));
  }

  /** Resolves when the kernel has answered to everything so far. */
  flush(): Promise<void> {
    return this.#fib.flush();
  }

  #apply({ fib, originate }: RoutingChanges): void {
    for (const observer of this.#observers) observer.willBeWritten(fib.set);
    if (fib.set.length > 0 || fib.remove.length > 0) this.#fib.update(fib);
    if (originate.announce.length > 0 || originate.withdraw.length > 0)
      this.#speaker().updateOriginated(originate.announce, originate.withdraw);
  }
}
