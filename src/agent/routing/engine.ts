import type { BgpSpeaker, LocRibChange } from "../../bgp/types.ts";
import type { Fib } from "../../fib/fib.ts";
import type { RouteDemand } from "../../fib/types.ts";
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

/** Carries every change of a source through the composer to the kernel and to BGP. */
export class RoutingEngine {
  readonly composer: RouteComposer;
  readonly #fib: Fib;
  readonly #speaker: () => BgpSpeaker;
  readonly #beforeWrite: (routes: readonly RouteDemand[]) => void;

  /**
   * `speaker` is asked for late, because the speaker's listener needs the engine. `beforeWrite` is told of routes before the
   * kernel gets them.
   */
  constructor(
    composer: RouteComposer,
    fib: Fib,
    speaker: () => BgpSpeaker,
    beforeWrite: (routes: readonly RouteDemand[]) => void,
  ) {
    this.composer = composer;
    this.#fib = fib;
    this.#speaker = speaker;
    this.#beforeWrite = beforeWrite;
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

  updateLearned(changes: readonly LocRibChange[]): void {
    this.#apply(this.composer.updateLearned(changes));
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
    this.#beforeWrite(fib.set);
    if (fib.set.length > 0 || fib.remove.length > 0) this.#fib.update(fib);
    if (originate.announce.length > 0 || originate.withdraw.length > 0)
      this.#speaker().updateOriginated(originate.announce, originate.withdraw);
  }
}
