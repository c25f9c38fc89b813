import type { Family } from "../../bgp/packet/family.ts";
import { isLinkLocal } from "../../bgp/packet/next-hop.ts";
import type { PeerConfig } from "../../bgp/types.ts";
import { IpAddress } from "../../net/address.ts";
import { Prefix } from "../../net/prefix.ts";
import type { PeerRoute } from "../routing/sources.ts";
import type { ExplicitPeer, PeeringInput, PeeringNode } from "./inputs.ts";
import { type PeerOptions, withPeerOptions } from "./peer-options.ts";
import { type TransportWish, transportOf } from "./transport.ts";

/** Hold time that we offer. BIRD's default of 240 s leaves a dead peer's routes in place for four minutes. */
const holdTimeSec = 90;

const defaultRestartTimeSec = 120;

export interface CompiledPeering {
  readonly peers: readonly PeerConfig[];
  /** The ways to peers that name a gateway. */
  readonly routes: readonly PeerRoute[];
  /** What could not be configured and why, for the operator. */
  readonly problems: readonly PeeringProblem[];
}

/** Why sessions are not as the resources say. */
export interface PeeringProblem {
  /** Name of the BGPPeer; absent for the mesh. */
  readonly peer?: string;
  readonly text: string;
}

/**
 * The sessions that this node shall have, from the cluster's resources, by Calico's rules: the full mesh between nodes that
 * are no route reflectors, then global BGPPeers, then those of this node and their mirror images. One session per address:
 * a BGPPeer replaces the mesh session to the same address.
 */
export function compilePeering(input: PeeringInput): CompiledPeering {
  const own = input.nodes.find((node) => node.name === input.ownName);
  if (own === undefined) return { peers: [], routes: [], problems: [] };
  const problems = new Map<string, PeeringProblem>();
  /** By address, link-local ones with their device. Undefined is a session that can't be: nor may a lesser one be there. */
  const peers = new Map<string, PeerConfig | undefined>();
  const routes: PeerRoute[] = [];
  const add = (session: PeerConfig, wish: TransportWish, subject: string, explicit?: ExplicitPeer) => {
    const key = `${session.address}%${wish.device ?? ""}`;
    const rival = peers.get(key);
    if (explicit !== undefined && rival !== undefined && rival.port !== session.port) {
      const text = `${subject}: there is a session with port ${rival.port} of ${session.address} already, and one with port ${session.port} beside it is not possible`;
      problems.set(text, { text, peer: explicit.name });
    }
    if (peers.has(key)) return;
    const peer = withTransport(session, wish, input);
    if ("problem" in peer) {
      const text = `${subject}: ${peer.problem}`;
      problems.set(text, { text, ...(explicit !== undefined && { peer: explicit.name }) });
      peers.set(key, undefined);
      return;
    }
    peers.set(key, peer);
    const route = explicit === undefined ? undefined : routeTo(peer, explicit);
    if (route !== undefined) routes.push(route);
  };
  const global = input.explicit.filter((peer) => peer.appliesTo === "global");
  const specific = input.explicit.filter((peer) => peer.appliesTo !== "global");
  for (const [explicit, prefix] of [...global.map(withPrefix("Global")), ...specific.map(withPrefix("Node"))])
    for (const peer of explicitSessions(explicit, prefix, own, input, problems))
      add(peer, wishOf(explicit), `BGPPeer ${explicit.name} is not configured`, explicit);
  const meshWish = input.cluster.meshPassword === undefined ? {} : { password: input.cluster.meshPassword };
  for (const peer of meshSessions(own, input)) add(peer, meshWish, "the node-to-node mesh is not configured");
  return { peers: [...peers.values()].filter((peer) => peer !== undefined), routes, problems: [...problems.values()] };
}

function wishOf({ password, minimumTtl, target }: ExplicitPeer): TransportWish {
  return {
    ...(password !== undefined && { password }),
    ...(minimumTtl !== undefined && { minimumTtl }),
    ...(target.kind === "address" && target.device !== undefined && { device: target.device }),
  };
}

function withTransport(
  session: PeerConfig,
  wish: TransportWish,
  { secretOf, refusal }: PeeringInput,
): PeerConfig | { readonly problem: string } {
  const found = transportOf(wish, secretOf);
  if ("problem" in found) return found;
  const peer = found.transport === undefined ? session : { ...session, transport: found.transport };
  const problem = refusal(peer);
  return problem === undefined ? peer : { problem };
}

/** The gateway is for the peer that the resource names, and not for the mirror image of the session. */
function routeTo({ address }: PeerConfig, { name, target, reachableBy }: ExplicitPeer): PeerRoute | undefined {
  if (reachableBy === undefined || target.kind !== "address" || !target.address.equals(address)) return undefined;
  return { prefix: Prefix.host(address), gateway: reachableBy, peer: name };
}

function withPrefix(prefix: string): (peer: ExplicitPeer) => [ExplicitPeer, string] {
  return (peer) => [peer, prefix];
}

function meshSessions(own: PeeringNode, input: PeeringInput): PeerConfig[] {
  if (!input.cluster.meshEnabled || own.routeReflectorClusterId !== undefined) return [];
  return input.nodes
    .filter((node) => node.name !== own.name && node.routeReflectorClusterId === undefined)
    .flatMap((node) =>
      addressPairs(own, node).map(([local, remote]) =>
        session(input, own, {
          name: sessionName("Mesh", remote),
          description: "node-to-node mesh",
          address: remote,
          port: node.listenPort ?? input.cluster.listenPort,
          localAddress: local,
          remoteAs: node.asNumber ?? input.cluster.asNumber,
          passive: isPassive(local, remote),
          options: input.cluster.meshOptions,
          restartTimeSec: input.cluster.meshRestartTimeSec,
        }),
      ),
    );
}

function explicitSessions(
  explicit: ExplicitPeer,
  prefix: string,
  own: PeeringNode,
  input: PeeringInput,
  problems: Map<string, PeeringProblem>,
): PeerConfig[] {
  const applies = explicit.appliesTo === "global" || explicit.appliesTo(own);
  const forward = applies ? forwardSessions(explicit, prefix, own, input, problems) : [];
  return [...forward, ...reverseSessions(explicit, own, input)];
}

function forwardSessions(
  explicit: ExplicitPeer,
  prefix: string,
  own: PeeringNode,
  input: PeeringInput,
  problems: Map<string, PeeringProblem>,
): PeerConfig[] {
  const { target } = explicit;
  if (target.kind === "nodes")
    return input.nodes
      .filter((node) => node.name !== own.name && target.matches(node))
      .flatMap((node) => sessionsToNode(explicit, "Node", own, node, input));
  const node = nodeAt(target.address, input);
  if (node?.name === own.name) return [];
  const remoteAs = explicit.asNumber ?? (node && (node.asNumber ?? input.cluster.asNumber));
  if (remoteAs === undefined) {
    const text = `BGPPeer ${explicit.name}: peerIP ${target.address} needs an asNumber`;
    problems.set(text, { peer: explicit.name, text });
    return [];
  }
  // A link-local peer is reached from the link's own address, whatever the node's.
  const local = isLinkLocal(target.address) ? undefined : ownAddress(own, target.address);
  if (local === undefined && target.device === undefined) {
    const text = `BGPPeer ${explicit.name}: this node has no IPv${target.address.family} address to reach ${target.address} from`;
    problems.set(text, { peer: explicit.name, text });
    return [];
  }
  const suffix = target.port === undefined ? "" : `_port_${target.port}`;
  return [
    session(input, own, {
      ...explicitFields(explicit),
      name: sessionName(prefix, target.address) + suffix,
      address: target.address,
      port: target.port ?? node?.listenPort ?? (node === undefined ? 179 : input.cluster.listenPort),
      ...(explicit.sourceIsNodeAddress && local !== undefined ? { localAddress: local } : {}),
      remoteAs,
      remoteClusterId: node?.routeReflectorClusterId,
      passive: node !== undefined && local !== undefined && isPassive(local, target.address),
      options: explicit.options,
    }),
  ];
}

/** The mirror image (reversePeering Auto): a selected node peers back with every node that the resource applies to. */
function reverseSessions(explicit: ExplicitPeer, own: PeeringNode, input: PeeringInput): PeerConfig[] {
  if (!explicit.reverse || !isTarget(explicit, own)) return [];
  const { appliesTo } = explicit;
  return input.nodes
    .filter((node) => node.name !== own.name && (appliesTo === "global" || appliesTo(node)))
    .flatMap((node) => sessionsToNode(explicit, "Node", own, node, input));
}

function isTarget(explicit: ExplicitPeer, own: PeeringNode): boolean {
  const { target } = explicit;
  if (target.kind === "nodes") return target.matches(own);
  return ownAddress(own, target.address)?.equals(target.address) ?? false;
}

function sessionsToNode(
  explicit: ExplicitPeer,
  prefix: string,
  own: PeeringNode,
  node: PeeringNode,
  input: PeeringInput,
): PeerConfig[] {
  return addressPairs(own, node).map(([local, remote]) =>
    session(input, own, {
      ...explicitFields(explicit),
      name: sessionName(prefix, remote),
      address: remote,
      port: node.listenPort ?? input.cluster.listenPort,
      ...(explicit.sourceIsNodeAddress ? { localAddress: local } : {}),
      remoteAs: node.asNumber ?? input.cluster.asNumber,
      remoteClusterId: node.routeReflectorClusterId,
      passive: isPassive(local, remote),
      options: explicit.options,
    }),
  );
}

function explicitFields(explicit: ExplicitPeer) {
  return {
    description: explicit.appliesTo === "global" ? `global, BGPPeer ${explicit.name}` : `BGPPeer ${explicit.name}`,
    nextHopMode: explicit.nextHopMode,
    allowLocalAs: explicit.allowLocalAs,
    ...(explicit.localAsNumber === undefined ? {} : { localAs: explicit.localAsNumber }),
    ...(explicit.keepaliveTimeSec === undefined ? {} : { keepaliveTimeSec: explicit.keepaliveTimeSec }),
    restartTimeSec: explicit.restartTimeSec ?? defaultRestartTimeSec,
    filters: explicit.filters,
    isExplicit: true,
  };
}

interface SessionFields
  extends Pick<PeerConfig, "name" | "description" | "address" | "port" | "remoteAs" | "passive">,
    Partial<Pick<PeerConfig, "localAddress" | "localAs" | "nextHopMode" | "allowLocalAs" | "keepaliveTimeSec">> {
  readonly restartTimeSec: number;
  readonly remoteClusterId?: string | undefined;
  readonly filters?: readonly string[];
  readonly isExplicit?: boolean;
  readonly options?: PeerOptions | undefined;
}

function session(input: PeeringInput, own: PeeringNode, fields: SessionFields): PeerConfig {
  const { restartTimeSec, remoteClusterId, filters, isExplicit = false, options = {}, ...given } = fields;
  const family: Family = given.address.family === 4 ? "ipv4-unicast" : "ipv6-unicast";
  const localAs = given.localAs ?? own.asNumber ?? input.cluster.asNumber;
  const config: PeerConfig = {
    nextHopMode: "auto",
    allowLocalAs: 0,
    holdTimeSec,
    ...given,
    localAs,
    families: [family],
    // As Calico's BIRD, for the sake of routes with several next hops behind a reflector. In the mesh everybody has just own ones.
    ...(isExplicit && input.peerDefaults),
    ...(input.shutdown !== undefined && { shutdown: input.shutdown }),
    ...(isExplicit && { addPath: { [family]: { receive: true, send: "all" as const } } }),
    gracefulRestart: { restartTimeSec },
    // RFC 4456 by Calico's rule: a client is an iBGP peer that has no cluster ID or another one than we have.
    routeReflectorClient:
      own.routeReflectorClusterId !== undefined &&
      given.remoteAs === localAs &&
      remoteClusterId !== own.routeReflectorClusterId,
    ...(own.routeReflectorClusterId === undefined
      ? {}
      : { clusterId: IpAddress.parse(own.routeReflectorClusterId).w0 }),
    ...input.policiesFor(filters ?? []),
  };
  return withPeerOptions(config, options, own.asNumber ?? input.cluster.asNumber);
}

/**
 * Calico's rule for who dials, on the text of the addresses: the lower one waits. With one dialler there is no collision,
 * and a node that restarts gracefully is not dialled before it is ready.
 */
function isPassive(local: IpAddress, remote: IpAddress): boolean {
  return remote.toString() > local.toString();
}

function sessionName(prefix: string, address: IpAddress): string {
  return `${prefix}_${address.toString().replaceAll(/[.:]/g, "_")}`;
}

/** Own and remote address of each family that both nodes have. */
function addressPairs(own: PeeringNode, other: PeeringNode): [IpAddress, IpAddress][] {
  const pairs: [IpAddress, IpAddress][] = [];
  if (own.ipv4Address && other.ipv4Address) pairs.push([own.ipv4Address, other.ipv4Address]);
  if (own.ipv6Address && other.ipv6Address) pairs.push([own.ipv6Address, other.ipv6Address]);
  return pairs;
}

function ownAddress(own: PeeringNode, remote: IpAddress): IpAddress | undefined {
  return remote.family === 4 ? own.ipv4Address : own.ipv6Address;
}

function nodeAt(address: IpAddress, input: PeeringInput): PeeringNode | undefined {
  return input.nodes.find((node) => node.ipv4Address?.equals(address) || node.ipv6Address?.equals(address));
}
