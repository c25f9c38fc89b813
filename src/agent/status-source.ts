import type { BfdStatus } from "../bgp/bfd/types.ts";
import type { Path } from "../bgp/paths.ts";
import type { BgpSpeaker } from "../bgp/types.ts";
import type { Fib } from "../fib/fib.ts";
import type { RouteStatus, StatusChange } from "../fib/types.ts";
import { type AddressFamily, IpAddress } from "../net/address.ts";
import type { Prefix } from "../net/prefix.ts";
import { historyView, parseHistoryQuery } from "./api/history-view.ts";
import { advertisedView, findPeer, parseSelection, receivedView } from "./api/peer-routes-view.ts";
import { peerView } from "./api/peer-view.ts";
import { routeView } from "./api/route-view.ts";
import type {
  BlockView,
  DatastoreView,
  ExplainView,
  HistoryView,
  IpamAuditView,
  IpipView,
  NodeStatusView,
  NodeView,
  PeerRoutesView,
  PeerView,
  RouteChangeView,
  RouteDifferenceView,
  RouteView,
  UdpTunnelView,
} from "./api/views.ts";
import { explainTarget } from "./explain/explain.ts";
import { routeProblems } from "./route-summary.ts";
import type { RouteComposer } from "./routing/composer.ts";
import { addressText, type OwnAddresses } from "./start/own-addresses.ts";

/** Facts of the node that only the agent as a whole knows. */
export interface NodeFacts {
  readonly name: string;
  readonly version: string;
  readonly addresses: OwnAddresses;
  readonly asNumber: number;
  readonly routerId: number;
  readonly startedAtMs: number;
  readonly datastore: DatastoreView;
  readonly converged: boolean;
  readonly problems: readonly string[];
  readonly pods: number;
  readonly ipip: IpipView | null;
  readonly udp: UdpTunnelView | null;
}

export interface StatusSourceOptions {
  readonly fib: Fib;
  readonly composer: RouteComposer;
  readonly speaker: BgpSpeaker;
  readonly bfdOf: (peer: string) => BfdStatus | undefined;
  readonly facts: () => NodeFacts;
  readonly ipamAudit: () => IpamAuditView;
  /** Address of a family that a node of the cluster is reached at. */
  readonly addressOfNode: (name: string, family: AddressFamily) => IpAddress | undefined;
}

/** Everything that the status socket can be asked, computed from the living parts at the time of the question. */
export class StatusSource {
  readonly #options: StatusSourceOptions;

  constructor(options: StatusSourceOptions) {
    this.#options = options;
  }

  routes(): RouteView[] {
    return [...this.#options.fib.statuses()]
      .sort((left, right) => left.route.prefix.compare(right.route.prefix))
      .map((status) => this.#routeView(status));
  }

  /** What differs between the routes that shall be and those that the kernel has now. */
  async differences(): Promise<RouteDifferenceView[]> {
    const { fib } = this.#options;
    return (await fib.differences()).map(({ prefix, missing, instead }) => ({
      prefix: prefix.toString(),
      missing: missing === undefined ? null : fib.routeText(missing),
      instead: instead.map((route) => fib.routeText(route)),
    }));
  }

  /** The view of one change, for those who watch. */
  routeChange({ prefix, status }: StatusChange): RouteChangeView {
    if (status === undefined) return { action: "remove", prefix: prefix.toString(), route: null };
    return { action: "set", prefix: prefix.toString(), route: this.#routeView(status) };
  }

  peers(): PeerView[] {
    const { speaker, bfdOf } = this.#options;
    return speaker.peers().map((status) => peerView(status, bfdOf(status.config.name)));
  }

  peer(name: string): PeerView | undefined {
    const { speaker, bfdOf } = this.#options;
    const status = speaker.peer(name);
    return status && peerView(status, bfdOf(name));
  }

  blocks(): BlockView[] {
    const { composer } = this.#options;
    return composer.ownedBlocks().map(({ block, state }) => ({
      block: block.toString(),
      pool: composer.poolOf(block)?.name ?? null,
      state,
    }));
  }

  ipamAudit(): IpamAuditView {
    return this.#options.ipamAudit();
  }

  node(): NodeView {
    const facts = this.#options.facts();
    const { 4: ipv4, 6: ipv6 } = facts.addresses;
    const routes = this.#options.fib.tally();
    return {
      name: facts.name,
      version: facts.version,
      ipv4Address: ipv4 === undefined ? null : addressText(ipv4),
      ipv6Address: ipv6 === undefined ? null : addressText(ipv6),
      asNumber: facts.asNumber,
      routerId: IpAddress.v4(facts.routerId).toString(),
      startedAt: new Date(facts.startedAtMs).toISOString(),
      datastore: facts.datastore,
      converged: facts.converged,
      problems: [...facts.problems, ...routeProblems(routes)],
      blocks: this.blocks(),
      pods: facts.pods,
      ipip: facts.ipip,
      udp: facts.udp,
      routes: routes.counts,
    };
  }

  status(): NodeStatusView {
    return { node: this.node(), peers: this.peers() };
  }

  explain(target: string): ExplainView {
    const { fib, composer, speaker, facts, addressOfNode } = this.#options;
    return explainTarget(target, {
      nodeName: facts().name,
      poolOf: (prefix) => composer.poolOf(prefix),
      blockOf: (prefix) => composer.blockOf(prefix),
      workloadOf: (address) => composer.workloadOf(address),
      routeFor: (prefix) => (prefix.isHost ? fib.lookup(prefix.address) : fib.status(prefix)),
      candidates: (prefix) => speaker.explain(prefix),
      peerRouteTo: (prefix) => composer.peerRouteTo(prefix),
      noteOn: (prefix) => composer.usedPaths(prefix).note,
      peers: () => speaker.peers(),
      addressOfNode,
      viewOf: (status) => this.#routeView(status),
    });
  }

  /** What a peer, known by name or address, has announced or been told. Throws `NOT_FOUND` or `INVALID_REQUEST`. */
  peerRoutes(wanted: string, direction: PeerRoutesView["direction"], query: URLSearchParams): PeerRoutesView {
    const { speaker } = this.#options;
    const selection = parseSelection(query);
    const { config, received, advertised } = findPeer(speaker.peers(), wanted);
    const peer = config.name;
    if (direction === "received")
      return { peer, direction, total: received, routes: speaker.received(peer, selection).map(receivedView) };
    return { peer, direction, total: advertised, routes: speaker.advertised(peer, selection).map(advertisedView) };
  }

  /** Throws `INVALID_REQUEST` for what is no prefix or address, or no time. */
  history(query: URLSearchParams): HistoryView[] {
    return this.#options.speaker.history(parseHistoryQuery(query)).map(historyView);
  }

  #routeView(status: RouteStatus): RouteView {
    const { kind, prefix } = status.route;
    const { composer } = this.#options;
    const isLocal = kind === "local-block" || kind === "workload" || composer.peerRouteTo(prefix) !== undefined;
    return routeView(status, isLocal ? undefined : this.#pathBehind(prefix));
  }

  /** The path that the route to a prefix was made of. */
  #pathBehind(prefix: Prefix): Path | undefined {
    const { composer, speaker } = this.#options;
    const [best] = composer.usedPaths(prefix).paths;
    if (best?.source.kind !== "peer") return undefined;
    const { peer } = best.source;
    const isBehind = ({ source, nextHop }: Path) =>
      source.kind === "peer" &&
      source.peer === peer &&
      (nextHop === best.nextHop || (nextHop && best.nextHop?.address.equals(nextHop.address)) === true);
    // One that cannot be used for now is no best path, and is told for the sake of those who look.
    return speaker.bestPaths(prefix).find(isBehind) ?? speaker.explain(prefix).find(({ path }) => isBehind(path))?.path;
  }
}
