import type { DesiredForwarding, DesiredNextHop, TunnelMode } from "../../fib/types.ts";
import type { AddressFamily, IpAddress } from "../../net/address.ts";
import type { RoutingPool } from "./sources.ts";

/** Whether a tunnel device of this node can carry packets now. */
export type TunnelState =
  | { readonly ready: true; readonly device: string; readonly mtu: number }
  | {
      readonly ready: false;
      /** Why not, for people. */
      readonly reason: string;
    };

/** What a node at the other end of a tunnel has told of itself in its Node resource. */
export interface TunnelPeer {
  readonly node: string;
  /** It has a tunnel address, which a node gets only when its tunl0 is up. */
  readonly ipipReady: boolean;
  /** By family what routes through the VXLAN device name as the gateway to it, once we have what leads there. */
  readonly vxlanGateways: Readonly<Partial<Record<AddressFamily, IpAddress>>>;
  /** The UDP port that it takes packets on. */
  readonly udpPort?: number;
}

/** What decides how a next hop is reached. */
export interface EncapsulationContext {
  readonly ipip: TunnelState;
  /** For the pools of a family. */
  readonly vxlan: Readonly<Record<AddressFamily, TunnelState>>;
  readonly udp: TunnelState;
  /** The UDP port that this node sends to and takes packets on. */
  readonly udpPort: number;
  /** The address is in a subnet of this node (CrossSubnet's question). */
  readonly isOnLink: (address: IpAddress) => boolean;
  /** The node of the cluster with this address; undefined for any other router. */
  readonly peerAt: (address: IpAddress) => TunnelPeer | undefined;
}

/** How packets get to one next hop, or what they have to wait for. */
type NextHopChoice =
  | { readonly mode: "direct" | TunnelMode; readonly hop: DesiredNextHop; readonly mtu?: number }
  | { readonly mode: "waiting"; readonly wanted: TunnelMode; readonly reason: string };

/** How the packets of a route go. */
export interface Way {
  readonly forwarding: DesiredForwarding;
  /** Largest packet of the narrowest tunnel used, in octets; absent without one. */
  readonly mtu?: number;
  /** What is not as it should be. */
  readonly note?: string;
}

/** The way to all next hops of a route, with their `weights` if any: of several those that can be reached as the pool wants it. */
export function chooseWay(
  nextHops: readonly IpAddress[],
  pool: RoutingPool | undefined,
  context: EncapsulationContext,
  weights?: readonly number[],
): Way {
  const hops: DesiredNextHop[] = [];
  const modes: ("direct" | TunnelMode)[] = [];
  const reasons: string[] = [];
  let mtu = Number.POSITIVE_INFINITY;
  let wanted: "direct" | TunnelMode = "direct";
  for (const [index, nextHop] of nextHops.entries()) {
    const choice = chooseNextHop(nextHop, pool, context);
    if (choice.mode === "waiting") {
      reasons.push(choice.reason);
      wanted = choice.wanted;
      continue;
    }
    const weight = weights?.[index];
    hops.push(weight === undefined ? choice.hop : { ...choice.hop, weight });
    modes.push(choice.mode);
    mtu = Math.min(mtu, choice.mtu ?? mtu);
  }
  const note = reasons.length === 0 ? {} : { note: [...new Set(reasons)].join("; ") };
  const [mode] = modes;
  if (mode === undefined) {
    const [nextHop] = nextHops;
    const none = { mode: "none", state: "unresolved", intended: wanted } as const;
    return { forwarding: nextHop === undefined ? none : { ...none, nextHop }, ...note };
  }
  return {
    forwarding: { mode: modes.find((other) => other !== "direct") ?? mode, nextHops: hops },
    ...(mtu === Number.POSITIVE_INFINITY ? {} : { mtu }),
    ...note,
  };
}

/**
 * Decides for one next hop of a route in `pool` (undefined: outside all pools, always direct).
 *
 * Make before break: packets go into a tunnel only when both ends of it exist. The other end says so by the tunnel address
 * in its Node, which is written after its device is up; a next hop that is no node of the cluster is taken at its word.
 */
function chooseNextHop(
  nextHop: IpAddress,
  pool: RoutingPool | undefined,
  context: EncapsulationContext,
): NextHopChoice {
  if (pool === undefined) return direct(nextHop);
  const modes = { ipip: pool.ipipMode, vxlan: pool.vxlanMode, udp: pool.udpMode };
  const tunnel = tunnelModes.find((each) => modes[each] !== "Never");
  if (tunnel === undefined) return direct(nextHop);
  if (modes[tunnel] === "CrossSubnet" && context.isOnLink(nextHop)) return direct(nextHop);
  return chooseBy[tunnel](nextHop, context, pool.cidr.family);
}

const tunnelModes = ["ipip", "vxlan", "udp"] as const;
const chooseBy = { ipip: overIpip, vxlan: overVxlan, udp: overUdp } as const;

function direct(gateway: IpAddress): NextHopChoice {
  return { mode: "direct", hop: { gateway } };
}

/** The kernel takes the route's gateway as outer destination; `onlink` because tunl0 has a /32 only. */
function overIpip(gateway: IpAddress, { ipip, peerAt }: EncapsulationContext): NextHopChoice {
  if (!ipip.ready) return { mode: "waiting", wanted: "ipip", reason: ipip.reason };
  if (gateway.family === 6)
    return { mode: "waiting", wanted: "ipip", reason: `IPIP carries IPv4 only, and next hop ${gateway} is IPv6` };
  const peer = peerAt(gateway);
  if (peer !== undefined && !peer.ipipReady)
    return { mode: "waiting", wanted: "ipip", reason: `node ${peer.node} has no tunnel address yet` };
  return { mode: "ipip", hop: { gateway, device: ipip.device, onlink: true }, mtu: ipip.mtu };
}

/**
 * The gateway stands for the other node's VXLAN device; forwarding entries turn it into MAC and node address. The device is
 * that of the pool's family, by whatever address of the node BGP says where to go (RFC 8950).
 */
function overVxlan(nextHop: IpAddress, { vxlan, peerAt }: EncapsulationContext, family: AddressFamily): NextHopChoice {
  const tunnel = vxlan[family];
  if (!tunnel.ready) return { mode: "waiting", wanted: "vxlan", reason: tunnel.reason };
  const peer = peerAt(nextHop);
  if (peer === undefined)
    return {
      mode: "waiting",
      wanted: "vxlan",
      reason: `next hop ${nextHop} is no node of the cluster, so it has no VTEP`,
    };
  const gateway = peer.vxlanGateways[family];
  if (gateway === undefined)
    return { mode: "waiting", wanted: "vxlan", reason: `the VXLAN tunnel to node ${peer.node} is not set up yet` };
  return { mode: "vxlan", hop: { gateway, device: tunnel.device, onlink: true }, mtu: tunnel.mtu };
}

/** As with IPIP the gateway is the outer destination. A node says in its Node resource that it takes such packets. */
function overUdp(gateway: IpAddress, { udp, udpPort, peerAt }: EncapsulationContext): NextHopChoice {
  const waiting = (reason: string): NextHopChoice => ({ mode: "waiting", wanted: "udp", reason });
  if (!udp.ready) return waiting(udp.reason);
  if (gateway.family === 6) return waiting(`the UDP tunnel carries IPv4 only, and next hop ${gateway} is IPv6`);
  const peer = peerAt(gateway);
  if (peer !== undefined && peer.udpPort === undefined)
    return waiting(`node ${peer.node} takes no packets in UDP yet${peer.ipipReady ? ", only IPIP" : ""}`);
  if (peer?.udpPort !== undefined && peer.udpPort !== udpPort)
    return waiting(`node ${peer.node} takes packets on UDP port ${peer.udpPort}, and this node sends to ${udpPort}`);
  return { mode: "udp", hop: { gateway, device: udp.device, onlink: true }, mtu: udp.mtu };
}
