import type { BgpSpeaker } from "../../bgp/types.ts";
import type { ClusterCache } from "../cluster-cache.ts";
import {
  advertisedServices,
  clusterBgp,
  explicitPeers,
  peeringNodes,
  prefixAdvertisements,
  routingPools,
} from "../cluster-view.ts";
import type { RoutingEngine } from "../routing/engine.ts";
import { compileExportPolicy, importPolicy } from "../routing/export-policy.ts";
import { compilePeering } from "./compile.ts";
import { PolicyBook } from "./policy-book.ts";
import type { SecretFiles } from "./secret-files.ts";

/**
 * Makes the speaker's peers and the pools of routing follow the cluster's resources. Each run takes the whole of them; what
 * did not change is recognised further down and left alone.
 */
export class PeeringReconciler {
  readonly #cluster: ClusterCache;
  readonly #engine: RoutingEngine;
  readonly #speaker: BgpSpeaker;
  readonly #nodeName: string;
  readonly #secrets: SecretFiles;
  #problems: readonly string[] = [];

  constructor(options: {
    cluster: ClusterCache;
    engine: RoutingEngine;
    speaker: BgpSpeaker;
    nodeName: string;
    secrets: SecretFiles;
  }) {
    this.#cluster = options.cluster;
    this.#engine = options.engine;
    this.#speaker = options.speaker;
    this.#nodeName = options.nodeName;
    this.#secrets = options.secrets;
  }

  /** What of the resources could not be honoured, one sentence each. */
  get problems(): readonly string[] {
    return this.#problems;
  }

  run(): void {
    const { resources } = this.#cluster;
    const pools = routingPools(resources);
    this.#engine.setPools(pools);
    this.#engine.nodesChanged();
    const nodes = peeringNodes(resources);
    // Until our own node is known there is nothing to peer as, and no peers would count as "all peers are done".
    const own = nodes.find((node) => node.name === this.#nodeName);
    if (own === undefined) return;
    const services = advertisedServices(resources, own);
    this.#engine.setServices(services);
    const exportPolicy = compileExportPolicy({
      pools,
      services,
      advertisements: prefixAdvertisements(resources, this.#nodeName),
      isReflector: own.routeReflectorClusterId !== undefined,
    });
    const policies = new PolicyBook(
      { importPolicy, exportPolicy },
      (name) => resources.filters.find(({ metadata }) => metadata.name === name)?.spec,
    );
    const explicit = explicitPeers(resources);
    const { peers, routes, problems } = compilePeering({
      ownName: this.#nodeName,
      nodes,
      cluster: clusterBgp(resources),
      explicit: explicit.peers,
      policiesFor: (filters) => policies.policiesFor(filters),
      secretOf: (reference) => this.#secrets.get(reference),
      refusal: (peer) => this.#speaker.refusal(peer),
    });
    this.#problems = [...explicit.problems, ...problems];
    // Before the sessions, which cannot be opened without them.
    this.#engine.setPeerRoutes(routes);
    this.#speaker.setPeers(peers);
  }
}
