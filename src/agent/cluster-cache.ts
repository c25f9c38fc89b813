import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/logger.ts";
import type { Datastore } from "../datastore/datastore.ts";
import { ResourceCache, type ResourceChange } from "../datastore/resource-cache.ts";
import type { AddressFamily, IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { reservedPrefixes } from "../resources/ip-reservation.ts";
import type { ResourceKind } from "../resources/kinds.ts";
import { nodeAddress } from "../resources/node.ts";
import type { Resource } from "../resources/resource.ts";
import type { ClusterResources } from "./cluster-view.ts";
import { type NodeChange, NodeDirectory } from "./node-directory.ts";

/** What has changed since the listener was told last. */
export interface ClusterChanges {
  readonly kinds: ReadonlySet<ResourceKind>;
  /** Each node once. */
  readonly nodes: readonly NodeChange[];
}

interface UntoldChanges {
  readonly kinds: Set<ResourceKind>;
  readonly nodes: Map<string, NodeChange>;
}

/** The kinds that a ClusterCache follows. */
export const followedKinds = ["IPPool", "Node", "BGPPeer", "BGPConfiguration", "BGPFilter", "IPReservation"] as const;

/** The resources that concern routing, as they are now. Tells once per turn of the event loop what has changed. */
export class ClusterCache {
  readonly #pools: ResourceCache<"IPPool">;
  readonly #nodes: ResourceCache<"Node">;
  readonly #peers: ResourceCache<"BGPPeer">;
  readonly #configurations: ResourceCache<"BGPConfiguration">;
  readonly #filters: ResourceCache<"BGPFilter">;
  readonly #reservations: ResourceCache<"IPReservation">;
  readonly #directory = new NodeDirectory();
  #listener: (changes: ClusterChanges) => void = () => {};
  /** Untold changes; undefined if there are none. */
  #untold: UntoldChanges | undefined;
  readonly resources: ClusterResources;

  constructor(options: { datastore: Datastore; clock: Clock; logger: Logger }) {
    const { datastore, clock, logger } = options;
    const cacheOf = <Kind extends (typeof followedKinds)[number]>(kind: Kind) =>
      new ResourceCache({ datastore, kind, clock, logger: logger.child({ part: "resources" }) });
    const pools = cacheOf("IPPool");
    const nodes = cacheOf("Node");
    const peers = cacheOf("BGPPeer");
    const configurations = cacheOf("BGPConfiguration");
    const filters = cacheOf("BGPFilter");
    this.#pools = pools;
    this.#nodes = nodes;
    this.#peers = peers;
    this.#configurations = configurations;
    this.#filters = filters;
    this.#reservations = cacheOf("IPReservation");
    // Lists are sorted when somebody wants them, and who asks for pools does not want all nodes.
    this.resources = {
      get pools() {
        return pools.list();
      },
      get nodes() {
        return nodes.list();
      },
      get peers() {
        return peers.list();
      },
      get configurations() {
        return configurations.list();
      },
      get filters() {
        return filters.list();
      },
    };
  }

  /** Calls the listener after every change, once for all changes of a moment. There is one listener. */
  onChange(listener: (changes: ClusterChanges) => void): void {
    this.#listener = listener;
  }

  /** Resolves when everything has been read once. */
  async start(): Promise<void> {
    await Promise.all(this.#caches.map((cache) => cache.start()));
    this.#directory.apply(this.everything().nodes);
    this.#nodes.onChange((changes) => this.#nodesChanged(changes.map(nodeChange)));
    for (const cache of this.#caches) if (cache !== this.#nodes) cache.onChange(() => this.#announce(cache.kind));
  }

  stop(): void {
    for (const cache of this.#caches) cache.stop();
  }

  node(name: string): Resource<"Node"> | undefined {
    return this.#nodes.get(name);
  }

  /** The address of a family that a node is reached at. */
  addressOf(name: string, family: AddressFamily): IpAddress | undefined {
    const node = this.#nodes.get(name);
    return node && nodeAddress(node.spec, family)?.address;
  }

  labelsOf(nodeName: string): Readonly<Record<string, string>> {
    return this.node(nodeName)?.metadata.labels ?? {};
  }

  /** What no address is assigned from automatically. */
  reserved(): readonly Prefix[] {
    return this.#reservations.list().flatMap(({ spec }) => reservedPrefixes(spec));
  }

  /** Name of the node that has this address. */
  nodeAt(address: IpAddress): string | undefined {
    return this.#directory.nodeAt(address);
  }

  /** More than one node says that it has this address. */
  isShared(address: IpAddress): boolean {
    return this.#directory.isShared(address);
  }

  /** What is there now, as if all of it were new. */
  everything(): ClusterChanges {
    const nodes = this.#nodes.list().map((after) => ({ name: after.metadata.name, after }));
    return { kinds: new Set(this.#caches.map(({ kind }) => kind)), nodes };
  }

  /** Stored values that cannot be used, one sentence each. */
  get problems(): string[] {
    return this.#caches.flatMap((cache) => [...cache.invalid].map(([key, error]) => `${key}: ${error.message}`));
  }

  get #caches(): readonly Pick<ResourceCache<ResourceKind>, "kind" | "start" | "stop" | "invalid" | "onChange">[] {
    return [this.#pools, this.#nodes, this.#peers, this.#configurations, this.#filters, this.#reservations];
  }

  #nodesChanged(changes: readonly NodeChange[]): void {
    this.#directory.apply(changes);
    const { nodes } = this.#announce("Node");
    for (const change of changes) nodes.set(change.name, joined(nodes.get(change.name), change));
  }

  #announce(kind: ResourceKind): UntoldChanges {
    if (this.#untold === undefined) queueMicrotask(() => this.#tell());
    this.#untold ??= { kinds: new Set(), nodes: new Map() };
    this.#untold.kinds.add(kind);
    return this.#untold;
  }

  #tell(): void {
    if (this.#untold === undefined) return;
    const { kinds, nodes } = this.#untold;
    this.#untold = undefined;
    this.#listener({ kinds, nodes: [...nodes.values()] });
  }
}

function nodeChange(change: ResourceChange<"Node">): NodeChange {
  switch (change.type) {
    case "added":
      return { name: change.resource.metadata.name, after: change.resource };
    case "updated":
      return { name: change.resource.metadata.name, before: change.previous, after: change.resource };
    case "removed":
      return { name: change.previous.metadata.name, before: change.previous };
  }
}

/** Two changes of a node in a row as one. */
function joined(first: NodeChange | undefined, { name, after, ...second }: NodeChange): NodeChange {
  const { before } = first ?? second;
  return { name, ...(before !== undefined && { before }), ...(after !== undefined && { after }) };
}
