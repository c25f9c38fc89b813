import type { SubnetLab } from "./subnet-lab.ts";

/** The agents of the topology. */
export const topologyNodes = {
  n1: { address: "10.10.1.11", gateway: "10.10.1.1" },
  n2: { address: "10.10.1.12", gateway: "10.10.1.1" },
  n3: { address: "10.10.2.13", gateway: "10.10.2.1" },
} as const;
export type SubnetNode = keyof typeof topologyNodes;
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

/** The routes to other nodes' blocks that the agent has written into the kernel of a node, in order. */
export async function blockRoutes(subnets: SubnetLab, node: SubnetNode): Promise<BlockRoute[]> {
  const stdout = await subnets.succeed(node, "ip", "-json", "route", "show", "proto", "202");
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

/** What the routes of all nodes shall be with the pool `pods` in this mode of VXLAN, and `still` direct; the agent of `asked` must answer. */
export async function expectedRoutes(
  subnets: SubnetLab,
  mode: Mode,
  asked: SubnetNode = "n1",
): Promise<Record<SubnetNode, BlockRoute[]>> {
  const vteps = await Promise.all(
    subnetNodes.map(async (node) => (await subnets.nodeSpec(node, asked)).ipv4VXLANTunnelAddr),
  );
  const of = (node: SubnetNode): BlockRoute[] =>
    [...subnets.owners()]
      .filter(([, owner]) => owner !== node)
      .map(([prefix, owner]) => {
        const tunnelled = prefix.startsWith("10.244.") && isTunnelled(node, owner, mode);
        if (!tunnelled) return directRoute(node, owner, prefix);
        const gateway = vteps[subnetNodes.indexOf(owner)] ?? `no VTEP of ${owner}`;
        return { prefix, gateway, device: "vxlan.calico", onlink: true, mtu: 1450 };
      })
      .sort((left, right) => (left.prefix < right.prefix ? -1 : 1));
  return { n1: of("n1"), n2: of("n2"), n3: of("n3") };
}

function directRoute(node: SubnetNode, owner: SubnetNode, prefix: string): BlockRoute {
  const gateway = isTunnelled(node, owner, "CrossSubnet") ? topologyNodes[node].gateway : topologyNodes[owner].address;
  return { prefix, gateway, device: "eth1", onlink: false, mtu: null };
}
