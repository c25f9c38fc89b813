import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Datastore } from "../datastore/datastore.ts";
import { ResourceCache } from "../datastore/resource-cache.ts";
import type { AddressFamily, IpAddress } from "../net/address.ts";
import { Prefix } from "../net/prefix.ts";
import { PrefixMap } from "../net/prefix-map.ts";
import type { ResourceKind } from "../resources/kinds.ts";
import { nodeAddress } from "../resources/node.ts";
import type { Resource } from "../resources/resource.ts";
import type { ClusterResources } from "./cluster-view.ts";

/** The resources that concern routing, as they are now. Tells once per turn of the event loop that something changed. */
export class ClusterCache {
  readonly #pools: ResourceCache<"IPPool">;
  readonly #nodes: ResourceCache<"Node">;
  readonly #peers: ResourceCache<"BGPPeer">;
  readonly #configurations: ResourceCache<"BGPConfiguration">;
  readonly #filters: ResourceCache<"BGPFilter">;
  #listener: () => void = () => {};
  #announced = false;
  /** Names by address, made anew when the list of nodes is another one. */
  #directory: { readonly nodes: readonly Resource<"Node">[]; readonly names: PrefixMap<string> } = {
    nodes: [],
    names: new PrefixMap(),
  };

  constructor(options: { datastore: Datastore; clock: Clock; logger: Logger }) {
    const { datastore, clock, logger } = options;
    const cacheOf = <Kind extends ResourceKind>(kind: Kind) =>
      new ResourceCache({ datastore, kind, clock, logger: logger.child({ part: "resources" }) });
    this.#pools = cacheOf("IPPool");
    this.#nodes = cacheOf("Node");
    this.#peers = cacheOf("BGPPeer");
    this.#configurations = cacheOf("BGPConfiguration");
    this.#filters = cacheOf("BGPFilter");
  }

  /** Calls the listener after every change, once for all changes of a moment. There is one listener. */
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** Resolves when everything has been read once. */
  async start(): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.start()));
    this.#pools.onChange(() => this.#announce());
    this.#nodes.onChange(() => this.#announce());
    this.#peers.onChange(() => this.#announce());
    this.#configurations.onChange(() => this.#announce());
    this.#filters.onChange(() => this.#announce());
  }

  stop(): void {
    for (const cache of this.#caches) cache.stop();
  }

  get resources(): ClusterResources {
    return {
      pools: this.#pools.list(),
      nodes: this.#nodes.list(),
      peers: this.#peers.list(),
      configurations: this.#configurations.list(),
      filters: this.#filters.list(),
    };
  }

  node(name: string): Resource<"Node"> | undefined {
    return this.#nodes.get(name);
  }

  /** The address of a family that a node is reached at. */
  addressOf(name: string, family: AddressFamily): IpAddress | undefined {
    const node = this.#nodes.get(name);
    return node && nodeAddress(node.spec, family)?.address;
  }

  /** Name of the node that has this address. */
  nodeAt(address: IpAddress): string | undefined {
    const nodes = this.#nodes.list();
    if (nodes !== this.#directory.nodes) this.#directory = { nodes, names: addressBook(nodes) };
    return this.#directory.names.get(Prefix.host(address));
  }

  /** Stored values that cannot be used, one sentence each. */
  get problems(): string[] {
    return this.#caches.flatMap((cache) => [...cache.invalid].map(([key, error]) => `${key}: ${error.message}`));
  }

  get #caches(): readonly Pick<ResourceCache<ResourceKind>, "start" | "stop" | "invalid">[] {
    return [this.#pools, this.#nodes, this.#peers, this.#configurations, this.#filters];
  }

  #announce(): void {
    if (this.#announced) return;
    this.#announced = true;
    queueMicrotask(() => {
      this.#announced = false;
      this.#listener();
    });
  }
}

function addressBook(nodes: readonly Resource<"Node">[]): PrefixMap<string> {
  const names = new PrefixMap<string>();
  for (const { metadata, spec } of nodes)
    for (const family of [4, 6] as const) {
      const address = nodeAddress(spec, family)?.address;
      if (address !== undefined) names.set(Prefix.host(address), metadata.name);
    }
  return names;
}
