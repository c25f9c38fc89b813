import { isDeepStrictEqual } from "node:util";
import type { BgpSpeaker, PeerConfig } from "../../bgp/types.ts";
import type { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import { PrefixMap, PrefixSet } from "../../net/prefix-map.ts";
import type { ClusterCache, ClusterChanges } from "../cluster-cache.ts";
import {
  advertisedServices,
  clusterBgp,
  explicitPeers,
  peeringNode,
  peeringNodes,
  prefixAdvertisements,
  routingPools,
} from "../cluster-view.ts";
import { bgpAddresses, type NodeChange } from "../node-directory.ts";
import type { RoutingEngine } from "../routing/engine.ts";
import { compileExportPolicy, importPolicy } from "../routing/export-policy.ts";
import type { PeerRoute } from "../routing/sources.ts";
import { type CompiledPeering, compilePeering, type PeeringProblem } from "./compile.ts";
import type { ExplicitPeer, PeeringInput, PeeringNode } from "./inputs.ts";
import { PolicyBook } from "./policy-book.ts";
import type { SecretFiles } from "./secret-files.ts";

/** What the sessions were compiled from, but for the other nodes, and what became of it. */
interface Compiled {
  readonly input: Omit<PeeringInput, "nodes">;
  readonly own: PeeringNode;
  /** One session per address. */
  readonly peers: PrefixMap<PeerConfig>;
  readonly routes: PrefixMap<PeerRoute>;
  /** Those of resources as such, and those of sessions. */
  readonly explicitProblems: readonly string[];
  problems: readonly PeeringProblem[];
}

type PeeringCluster = Pick<ClusterCache, "resources" | "nodeAt" | "isShared">;
type PeeringSpeaker = Pick<BgpSpeaker, "setPeers" | "updatePeers" | "refusal">;
type PeeringEngine = Pick<RoutingEngine, "setPools" | "nodesChanged" | "setServices" | "setPeerRoutes">;

/**
 * Makes the speaker's peers and the pools of routing follow the cluster's resources. What concerns one other node is done
 * for that node alone; pools, BGPPeers, BGPConfigurations, BGPFilters and this node itself concern all sessions.
 */
export class PeeringReconciler {
  readonly #cluster: PeeringCluster;
  readonly #engine: PeeringEngine;
  readonly #speaker: PeeringSpeaker;
  readonly #nodeName: string;
  readonly #secrets: Pick<SecretFiles, "get">;
  readonly #peerDefaults: PeeringInput["peerDefaults"];
  #compiled: Compiled | undefined;
  #shutdown: PeeringInput["shutdown"];

  constructor(options: {
    cluster: PeeringCluster;
    engine: PeeringEngine;
    speaker: PeeringSpeaker;
    nodeName: string;
    secrets: Pick<SecretFiles, "get">;
    peerDefaults: PeeringInput["peerDefaults"];
  }) {
    this.#cluster = options.cluster;
    this.#engine = options.engine;
    this.#speaker = options.speaker;
    this.#nodeName = options.nodeName;
    this.#secrets = options.secrets;
    this.#peerDefaults = options.peerDefaults;
  }

  /** What of the resources could not be honoured, one sentence each. */
  get problems(): readonly string[] {
    if (this.#compiled === undefined) return [`node ${this.#nodeName} is not in the datastore`];
    const drained =
      this.#shutdown === undefined ? [] : ["this node is drained: calictl node undrain brings its BGP sessions back"];
    return [...drained, ...this.#compiled.explicitProblems, ...this.#compiled.problems.map(({ text }) => text)];
  }

  /** Shuts all sessions down with Cease 6/2 and this text, also those that are configured from now on. */
  drain(message: string): void {
    this.#shutdown = { message };
    this.run();
  }

  undrain(): void {
    this.#shutdown = undefined;
    this.run();
  }

  /** Looks at everything. */
  run(): void {
    const { resources } = this.#cluster;
    const pools = routingPools(resources);
    this.#engine.setPools(pools);
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
    const input: Compiled["input"] = {
      ownName: this.#nodeName,
      cluster: clusterBgp(resources),
      explicit: explicit.peers,
      peerDefaults: this.#peerDefaults,
      ...(this.#shutdown !== undefined && { shutdown: this.#shutdown }),
      policiesFor: (filters) => policies.policiesFor(filters),
      secretOf: (reference) => this.#secrets.get(reference),
      refusal: (peer) => this.#speaker.refusal(peer),
    };
    const { peers, routes, problems } = compilePeering({ ...input, nodes });
    this.#compiled = {
      input,
      own,
      peers: new PrefixMap(peers.map((peer) => [Prefix.host(peer.address), peer])),
      routes: new PrefixMap(routes.map((route) => [route.prefix, route])),
      explicitProblems: explicit.problems,
      problems,
    };
    // Before the sessions, which cannot be opened without them.
    this.#engine.setPeerRoutes(routes);
    this.#speaker.setPeers(peers);
  }

  /** Does what follows from these changes; true if the speaker may have other peers now. */
  update({ kinds, nodes }: ClusterChanges): boolean {
    const changes = nodes.map((change) => this.#peeringChange(change));
    this.#engine.nodesChanged(changes.flatMap(({ addresses }) => addresses));
    const relevant = changes.filter(({ before, after }) => !isDeepStrictEqual(before, after));
    const addresses = relevant.flatMap((change) => change.addresses);
    const concernsAll =
      this.#compiled === undefined ||
      [...kinds].some((kind) => kind !== "Node") ||
      relevant.some(({ name }) => name === this.#nodeName) ||
      addresses.some((address) => this.#isContested(address, relevant));
    if (this.#compiled === undefined || concernsAll) this.run();
    else if (addresses.length > 0) this.#recompile(this.#compiled, addresses, relevant);
    return concernsAll || addresses.length > 0;
  }

  /** A node besides those that have changed has the address, too. */
  #isContested(address: IpAddress, changes: readonly PeeringChange[]): boolean {
    const holder = this.#cluster.nodeAt(address);
    return this.#cluster.isShared(address) || (holder !== undefined && changes.every(({ name }) => name !== holder));
  }

  #peeringChange({ name, before, after }: NodeChange): PeeringChange {
    const { resources } = this.#cluster;
    return {
      name,
      before: before && peeringNode(resources, before),
      after: after && peeringNode(resources, after),
      addresses: [...bgpAddresses(before?.spec), ...bgpAddresses(after?.spec)],
    };
  }

  /** The sessions at these addresses, which are those of the nodes that have changed and of no others. */
  #recompile(compiled: Compiled, addresses: readonly IpAddress[], changes: readonly PeeringChange[]): void {
    const { input, own } = compiled;
    const hosts = new PrefixSet(addresses.map(Prefix.host));
    const nodes = changes.flatMap(({ after }) => after ?? []);
    const explicit = input.explicit.filter((peer) => concerns(peer, hosts, own));
    const result = compilePeering({ ...input, explicit, nodes: [own, ...nodes] });
    const isOfOneAddress = new Set(
      input.explicit.filter(({ target }) => target.kind === "address").map(({ name }) => name),
    );
    // Whether others have the same problem is only known from all of them.
    if ([...compiled.problems, ...result.problems].some(({ peer = "" }) => !isOfOneAddress.has(peer))) {
      this.run();
      return;
    }
    const again = new Set(explicit.map(({ name }) => name));
    compiled.problems = [...compiled.problems.filter(({ peer = "" }) => !again.has(peer)), ...result.problems];
    const { set, remove } = replaceAt(compiled, hosts, result);
    if (result.routes.length > 0 || [...hosts].some((host) => compiled.routes.has(host))) {
      for (const host of hosts) compiled.routes.delete(host);
      for (const route of result.routes) compiled.routes.set(route.prefix, route);
      this.#engine.setPeerRoutes([...compiled.routes.values()]);
    }
    if (set.length > 0 || remove.length > 0) this.#speaker.updatePeers(set, remove);
  }
}

interface PeeringChange {
  readonly name: string;
  readonly before: PeeringNode | undefined;
  readonly after: PeeringNode | undefined;
  /** Those that it had and those that it has. */
  readonly addresses: readonly IpAddress[];
}

/** The BGPPeer may make a session at one of these addresses: with it, with nodes, or back to nodes from the one that it names. */
function concerns({ target }: ExplicitPeer, hosts: PrefixSet, own: PeeringNode): boolean {
  if (target.kind === "nodes") return true;
  const isOwn = own.ipv4Address?.equals(target.address) || own.ipv6Address?.equals(target.address);
  return isOwn === true || hosts.has(Prefix.host(target.address));
}

/** Puts the sessions of `result` in the place of those at `hosts`; returns what the speaker must know. */
function replaceAt(
  { peers }: Compiled,
  hosts: PrefixSet,
  result: CompiledPeering,
): { readonly set: PeerConfig[]; readonly remove: string[] } {
  const wanted = new PrefixMap(result.peers.map((peer) => [Prefix.host(peer.address), peer]));
  const set: PeerConfig[] = [];
  const remove: string[] = [];
  for (const host of hosts) {
    const [before, after] = [peers.get(host), wanted.get(host)];
    if (after === undefined) peers.delete(host);
    else {
      peers.set(host, after);
      set.push(after);
    }
    if (before !== undefined && before.name !== after?.name) remove.push(before.name);
  }
  return { set, remove };
}
