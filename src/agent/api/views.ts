import type { BfdState } from "../../bgp/bfd/packet.ts";
import type { SessionState } from "../../bgp/session-state.ts";
import type { RouteKind, RouteMode, RouteState } from "../../fib/types.ts";

/**
 * The objects that the status socket serves and `calictl -o json` prints. docs/openapi.yaml describes them; a test holds
 * the two together. Times are RFC 3339 in UTC, addresses and prefixes text, absent values null.
 */
export interface RouteView {
  prefix: string;
  kind: RouteKind;
  mode: RouteMode;
  /** The first next hop; null for blackhole and device routes. */
  nextHop: string | null;
  /** All next hops of a multipath route, `nextHop` included. */
  nextHops: string[];
  device: string | null;
  /** Node that owns the block or runs the pod. */
  node: string | null;
  /** The kernel's route protocol number, 202 unless `routeProtocol` says otherwise. */
  protocol: number;
  metric: number;
  bgp: BgpRouteView | null;
  state: RouteState;
  reason: string;
  since: string;
}

/** Data of a `route` event. */
export interface RouteChangeView {
  action: "set" | "remove";
  prefix: string;
  /** The route as it is now; null once it is gone. */
  route: RouteView | null;
}

/** A prefix at which the kernel's main table is not as it shall be; routes as text, much as `ip route` prints them. */
export interface RouteDifferenceView {
  prefix: string;
  /** What the agent would have there; null: none of its routes. */
  missing: string | null;
  /** Routes of the agent that it does not want, and others that have the place of the missing one. */
  instead: string[];
}

export interface BgpRouteView {
  peer: string;
  asPath: string;
  localPref: number | null;
  med: number | null;
  origin: "igp" | "egp" | "incomplete";
  /** `65000:1` or a well-known name, then extended ones as `rt:65000:1`, then large ones as `65000:1:2`. */
  communities: string[];
  originatorId: string | null;
  clusterList: string[];
  /** The AS of the attribute OTC (RFC 9234). */
  onlyToCustomer: number | null;
}

export interface PeerView {
  name: string;
  description: string;
  address: string;
  port: number;
  localAs: number;
  remoteAs: number;
  type: "ibgp" | "ebgp";
  passive: boolean;
  state: SessionState;
  since: string;
  /** Why it is not Established, or how it last ended; null if neither. */
  reason: string | null;
  routerId: string | null;
  localAddress: string | null;
  holdTimeSec: number | null;
  keepaliveTimeSec: number | null;
  families: string[];
  /** How TCP proves who sends; the password itself is shown nowhere. */
  authentication: "none" | "tcp-md5" | "tcp-ao";
  /** Least TTL of the peer's packets (RFC 5082); null without TTL security. */
  minimumTtl: number | null;
  gracefulRestart: boolean;
  /** What the peer's OPEN offered, also capabilities that we do not know; empty unless Established. */
  capabilities: string[];
  routes: { received: number; accepted: number; advertised: number; stale: number; discarded: number };
  messages: { received: number; sent: number; updatesReceived: number; updatesSent: number };
  timesEstablished: number;
  /** How the path to the peer is watched; null if it is not. */
  bfd: {
    state: BfdState;
    since: string | null;
    /** Why it is not Up. */
    reason: string | null;
    transmitIntervalMs: number | null;
    detectionTimeMs: number | null;
  } | null;
}

export interface NodeView {
  name: string;
  version: string;
  ipv4Address: string | null;
  ipv6Address: string | null;
  asNumber: number;
  routerId: string;
  startedAt: string;
  datastore: DatastoreView;
  /** True once the kernel and BGP have caught up after the start. */
  converged: boolean;
  /** What an operator should know: settings that could not be honoured, stored objects that do not parse. */
  problems: string[];
  blocks: BlockView[];
  pods: number;
  /** Who carries IPIP packets; null while no pool wants any. */
  ipip: IpipView | null;
  /** The UDP tunnel, whose packets the agent carries; null while no pool wants it. */
  udp: UdpTunnelView | null;
  routes: Record<RouteState, number>;
}

/** How recorded addresses and addresses in use agree. */
export interface IpamAuditView {
  /** When this node's addresses were last compared; null: not yet, and no address is given out. */
  auditedAt: string | null;
  /** Why the last attempt failed. */
  problem: string | null;
  /** Addresses that two use, a sentence each. */
  conflicts: string[];
  /** Recorded for this node but used by nothing; freed if the next audits find the same. */
  unused: string[];
  collection: {
    mode: "on" | "dry-run" | "off";
    /** The node whose agent collects for the whole cluster. */
    leader: string | null;
    /** When this agent last looked, as the leader. */
    lookedAt: string | null;
    /** What looked like waste then, a sentence each. */
    found: string[];
    /** What nodes had that are gone, and is announced all the same. */
    kept: string[];
  };
  /** Since the agent's start: addresses recorded and freed on this node, and things collected in the cluster. */
  totals: { asserted: number; released: number; collected: number };
}

export interface DatastoreView {
  kind: "embedded" | "etcd";
  /** The folder of the embedded datastore, or the URLs of etcd's members. */
  places: string[];
  /** The member of etcd that is asked now; null for the embedded datastore. */
  member: string | null;
  reachable: boolean;
  /** ClusterInformation says `datastoreReady: false`: nothing is changed until it is true. */
  locked: boolean;
  /** The state that the agent goes on with is of then; null if it is current. */
  asOf: string | null;
  /** What failed last, which may be long over; null if nothing has. */
  lastError: { at: string; message: string } | null;
}

export interface IpipView {
  backend: "kernel" | "userspace";
  /** Why packets are carried in user space; null if the kernel does it. */
  reason: string | null;
  /** What the agent has carried since it has the device; null if the kernel does it, which counts by itself. */
  packets: PacketCountsView | null;
}

export interface UdpTunnelView {
  device: string;
  port: number;
  packets: PacketCountsView;
}

/** Packets since the agent has a tunnel's device. */
export interface PacketCountsView {
  sent: number;
  received: number;
  /** By reason. */
  dropped: Record<string, number>;
}

export interface BlockView {
  block: string;
  pool: string | null;
  state: string;
}

export interface NodeStatusView {
  node: NodeView;
  peers: PeerView[];
}

export interface PodView {
  namespace: string;
  name: string;
  addresses: string[];
  interface: string;
  macAddress: string | null;
  networkNamespace: string | null;
}

/** One link of the chain that decides about an address. */
export interface ExplainStep {
  stage: "pool" | "block" | "owner" | "peer" | "path" | "policy" | "encapsulation" | "kernel";
  /** ok: as it should be. info: nothing to say against it. problem: this is where it breaks. */
  verdict: "ok" | "info" | "problem";
  text: string;
}

export interface ExplainView {
  target: string;
  /** One sentence: what happens to a packet to the target, or why nothing does. */
  verdict: string;
  reachable: boolean;
  steps: ExplainStep[];
  route: RouteView | null;
}

/** A part of what a peer has announced or has been told. */
export interface PeerRoutesView {
  peer: string;
  direction: "received" | "advertised";
  /** How many there are in all. */
  total: number;
  routes: PeerRouteView[];
}

export interface PeerRouteView {
  prefix: string;
  /** The identifier of ADD-PATH (RFC 7911): the peer's of what it announced, ours of what it was told; null without. */
  pathId: number | null;
  nextHop: string | null;
  /** best: in use. equal: in use together with the best one. other: usable. refused: by loop checks or policy. told: to the peer. */
  state: "best" | "equal" | "other" | "refused" | "told";
  /** Why it is not the best one; null if it is, or for what the peer was told. */
  reason: string | null;
  /** The step of the decision process behind `reason`. */
  rule: string | null;
  /** Kept while the peer restarts. */
  stale: boolean;
  bgp: BgpRouteView;
}

/** Something that happened to a BGP session or a route. */
export interface HistoryView {
  at: string;
  /** session: it came up or went down. refused: a route was kept out, or from being passed on. best-path: another choice. */
  kind: "session" | "refused" | "best-path";
  peer: string | null;
  prefix: string | null;
  /** One sentence: what happened, and why. */
  text: string;
  /** The step of the decision process (docs/bgp.md) that the new best path won by; null without a rival. */
  rule: string | null;
}

/** Body of every answer that is not a success. */
export interface ErrorView {
  error: { code: string; message: string; details?: Record<string, unknown> };
}
