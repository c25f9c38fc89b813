import type { BgpSpeaker, ListenPlace } from "../../bgp/types.ts";
import { errorMessage } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import { listeningOf } from "../cluster-view.ts";
import type { OwnAddresses } from "../start/own-addresses.ts";

export interface ListeningOptions {
  readonly cluster: Pick<ClusterCache, "resources" | "addressOf">;
  readonly nodeName: string;
  /** The node's addresses before its Node resource has been written. */
  readonly ownAddresses: OwnAddresses;
  /** The port by the agent's own setting, which goes before the cluster's. */
  readonly port: number | undefined;
  readonly logger: Logger;
}

/** Where the speaker shall wait for its peers, by `listenPort` and `bindMode` of the cluster's BGPConfiguration. */
export class Listening {
  readonly #options: ListeningOptions;
  #current: ListenPlace | undefined;
  #problem: string | undefined;

  constructor(options: ListeningOptions) {
    this.#options = options;
  }

  /** Why peers are not waited for where they should be, as sentences. */
  get problems(): readonly string[] {
    return this.#problem === undefined ? [] : [this.#problem];
  }

  /** As the resources say now. No address of its own means that the node listens on all of them. */
  place(): ListenPlace {
    const { cluster, nodeName, ownAddresses, port } = this.#options;
    const wanted = listeningOf(cluster.resources, nodeName);
    const known = ([4, 6] as const).map(
      (family) => cluster.addressOf(nodeName, family) ?? ownAddresses[family]?.address,
    );
    const addresses = known.filter((address) => address !== undefined);
    return { addresses: wanted.ownAddressOnly ? addresses : [], port: port ?? wanted.port };
  }

  /** Has the speaker listen where it shall, if that is another place than before. Live sessions go on. */
  follow(speaker: BgpSpeaker): void {
    const place = this.place();
    if (this.#current !== undefined && JSON.stringify(this.#current) === JSON.stringify(place)) return;
    this.#current = place;
    speaker.listen(place).then(
      () => {
        this.#problem = undefined;
      },
      (error: unknown) => {
        this.#problem = errorMessage(error);
        this.#options.logger.error({ reason: this.#problem }, "cannot listen for BGP where the cluster says");
      },
    );
  }
}
