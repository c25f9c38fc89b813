import type { NatManager } from "../nat/manager.ts";
import type { NatState, TunnelDevice } from "../nat/ruleset.ts";
import { IpAddress } from "../net/address.ts";
import { effectivePool } from "../resources/ip-pool.ts";
import { type NodeSpec, nodeAddress } from "../resources/node.ts";
import type { ClusterResources } from "./cluster-view.ts";
import type { AgentConfig } from "./config/settings.ts";

/** The IANA port of VXLAN, which Calico uses as well. */
const vxlanPort = 4789;
/** Both carry pods of IPv4. */
const tunnels = {
  ipip: { name: "tunl0", family: 4, encapsulation: "ipip" },
  vxlan: { name: "vxlan.calico", family: 4, encapsulation: "vxlan" },
} as const satisfies Record<string, TunnelDevice>;

type NatConfig = Pick<
  AgentConfig,
  | "natOutgoingExclusions"
  | "natPortRange"
  | "natOutgoingAddress"
  | "natOutgoingInterfaceFilter"
  | "protectEncapsulation"
>;

/** What the pools and nodes of the cluster ask of this node's address translation. */
export function natState({ pools, nodes }: Pick<ClusterResources, "pools" | "nodes">, config: NatConfig): NatState {
  const { natPortRange, natOutgoingAddress, natOutgoingInterfaceFilter } = config;
  const podPools = pools
    .map(({ spec }) => effectivePool(spec))
    .filter(({ allowedUses }) => !allowedUses.includes("LoadBalancer"));
  const ipv4Pools = podPools.filter(({ cidr }) => cidr.family === 4);
  return {
    pools: podPools.map(({ cidr, natOutgoing }) => ({ cidr, natOutgoing })),
    nodeAddresses: nodes.flatMap(({ spec }) => addressesOf(spec)),
    tunnelDevices: [
      ...(ipv4Pools.some(({ ipipMode }) => ipipMode !== "Never") ? [tunnels.ipip] : []),
      ...(ipv4Pools.some(({ vxlanMode }) => vxlanMode !== "Never") ? [tunnels.vxlan] : []),
    ],
    options: {
      natOutgoingExclusions: config.natOutgoingExclusions,
      protectEncapsulation: config.protectEncapsulation,
      vxlanPort,
      ...(natPortRange !== undefined && { natPortRange }),
      ...(natOutgoingAddress !== undefined && { natOutgoingAddress }),
      ...(natOutgoingInterfaceFilter !== undefined && { outInterfaceFilter: natOutgoingInterfaceFilter }),
    },
  };
}

/** Addresses that a node of the cluster is reached at from inside. */
function addressesOf(spec: NodeSpec): IpAddress[] {
  const bgp = ([4, 6] as const).map((family) => nodeAddress(spec, family)?.address);
  const listed = (spec.addresses ?? []).filter(({ type }) => type !== "ExternalIP");
  const others = listed.map(({ address }) => IpAddress.tryParse(address.replace(/\/.*$/, "")));
  return [...bgp, ...others].filter((address) => address !== undefined);
}

/** What an operator should know, one sentence each. */
export function natProblems(nat: NatManager): string[] {
  const { error } = nat.status();
  return error === undefined ? [] : [`address translation (natOutgoing, tunnels) is not up to date: ${error.message}`];
}
