import type { TunnelMode } from "../../../src/fib/types.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { vxlanGateway } from "../../../src/vxlan/peers.ts";
import type { SubnetLab } from "./subnet-lab.ts";

/** The agents of the topology. */
export const topologyNodes = {
  n1: { address: "10.10.1.11", gateway: "10.10.1.1" },
  n2: { address: "10.10.1.12", gateway: "10.10.1.1" },
  n3: { address: "10.10.2.13", gateway: "10.10.2.1" },
} as const;
/** Their IPv6 addresses, if the lab is one of IPv6. */
const topologyNodes6 = {
  n1: { address: "fd00:10:1::11", gateway: "fd00:10:1::1" },
  n2: { address: "fd00:10:1::12", gateway: "fd00:10:1::1" },
  n3: { address: "fd00:10:2::13", gateway: "fd00:10:2::1" },
} as const;
export type SubnetNode = keyof typeof topologyNodes;
type Family = 4 | 6;

/** The addresses of the nodes and of their routers in a family. */
export function nodesOf(family: Family): Record<SubnetNode, { readonly address: string; readonly gateway: string }> {
  return family === 4 ? topologyNodes : topologyNodes6;
}

/** How prefixes and addresses of a pool begin: `10.244.` of 10.244.0.0/16, `fd00:10:244:` of fd00:10:244::/112. */
export function beginningOf(cidr: string): string {
  return cidr.includes(":") ? cidr.replace(/:\/.*/, "") : cidr.replace(/0\.0\/.*/, "");
}
export const subnetNodes: readonly SubnetNode[] = ["n1", "n2", "n3"];

export type Mode = "Never" | "CrossSubnet" | "Always";

/** A route to somebody else's block, with what `ip -json route` says of it. */
export interface BlockRoute {
  readonly prefix: string;
  readonly gateway: string;
  readonly device: string;
  readonly onlink: boolean;
  readonly mtu: number | null;
}

interface IpRoute {
  readonly dst: string;
  readonly type?: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly flags?: readonly string[];
  readonly metrics?: readonly { readonly mtu?: number }[];
}

/** The routes of the lab's family to other nodes' blocks that the agent has written into the kernel of a node, in order. */
export async function blockRoutes(
  subnets: SubnetLab,
  node: SubnetNode,
  family: Family = subnets.family,
): Promise<BlockRoute[]> {
  const stdout = await subnets.succeed(node, "ip", `-${family}`, "-json", "route", "show", "proto", "202");
  return (JSON.parse(stdout) as IpRoute[])
    .flatMap(({ dst, gateway, dev = "", flags = [], metrics = [] }) =>
      gateway === undefined
        ? []
        : [{ prefix: dst, gateway, device: dev, onlink: flags.includes("onlink"), mtu: metrics[0]?.mtu ?? null }],
    )
    .sort((left, right) => (left.prefix < right.prefix ? -1 : 1));
}

/** Those of all nodes. */
export async function allBlockRoutes(subnets: SubnetLab): Promise<Record<SubnetNode, BlockRoute[]>> {
  const [n1, n2, n3] = await Promise.all([
    blockRoutes(subnets, "n1"),
    blockRoutes(subnets, "n2"),
    blockRoutes(subnets, "n3"),
  ]);
  return { n1, n2, n3 };
}

/** Whether packets between two nodes are to be tunnelled. */
export function isTunnelled(from: SubnetNode, to: SubnetNode, mode: Mode): boolean {
  const sameSubnet = topologyNodes[from].gateway === topologyNodes[to].gateway;
  return mode === "Always" || (mode === "CrossSubnet" && !sameSubnet);
}

/** What the routes of all nodes shall be with the pool `pods` in this mode of a tunnel, and `still` direct; the agent of `asked` must answer. */
export async function expectedRoutes(
  subnets: SubnetLab,
  mode: Mode,
  asked: SubnetNode = "n1",
  tunnel: TunnelMode = "vxlan",
): Promise<Record<SubnetNode, BlockRoute[]>> {
  const gateways = await Promise.all(subnetNodes.map((node) => gatewayInto(subnets, node, asked)));
  const of = (node: SubnetNode): BlockRoute[] =>
    [...subnets.owners()]
      .filter(([prefix, owner]) => owner !== node && prefix.includes(":") === (subnets.family === 6))
      .map(([prefix, owner]) => {
        const tunnelled = prefix.startsWith(beginningOf(subnets.pools.pods)) && isTunnelled(node, owner, mode);
        if (!tunnelled) return directRoute(subnets.family, node, owner, prefix);
        const vtep = gateways[subnetNodes.indexOf(owner)] ?? `no VTEP of ${owner}`;
        const gateway = tunnel === "vxlan" ? vtep : nodesOf(subnets.family)[owner].address;
        return { prefix, gateway, onlink: true, ...tunnelDevices[subnets.family === 6 ? "vxlan-v6" : tunnel] };
      })
      .sort((left, right) => (left.prefix < right.prefix ? -1 : 1));
  return { n1: of("n1"), n2: of("n2"), n3: of("n3") };
}

/** What routes through the tunnel to a node name as their gateway; undefined as long as it has told of no VTEP. */
async function gatewayInto(subnets: SubnetLab, node: SubnetNode, asked: SubnetNode): Promise<string | undefined> {
  const spec = await subnets.nodeSpec(node, asked);
  const [vtep, macAddress] =
    subnets.family === 4
      ? [spec.ipv4VXLANTunnelAddr, spec.vxlanTunnelMACAddr]
      : [spec.ipv6VXLANTunnelAddr, spec.vxlanTunnelMACAddrV6];
  if (vtep === undefined || macAddress === undefined) return undefined;
  return vxlanGateway({ vtep: IpAddress.parse(vtep), macAddress }).toString();
}

const tunnelDevices = {
  ipip: { device: "tunl0", mtu: 1480 },
  vxlan: { device: "vxlan.calico", mtu: 1450 },
  "vxlan-v6": { device: "vxlan-v6.calico", mtu: 1430 },
  udp: { device: "udp.calibird", mtu: 1472 },
} as const;

function directRoute(family: Family, node: SubnetNode, owner: SubnetNode, prefix: string): BlockRoute {
  const nodes = nodesOf(family);
  const gateway = isTunnelled(node, owner, "CrossSubnet") ? nodes[node].gateway : nodes[owner].address;
  return { prefix, gateway, device: "eth1", onlink: false, mtu: null };
}
