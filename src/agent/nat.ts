import { ipipDeviceName } from "../ipip/tunnel-device.ts";
import type { NatManager } from "../nat/manager.ts";
import type { NatState, TunnelDevice } from "../nat/ruleset.ts";
import { IpAddress } from "../net/address.ts";
import { effectivePool } from "../resources/ip-pool.ts";
import { type NodeSpec, nodeAddress } from "../resources/node.ts";
import type { Resource } from "../resources/resource.ts";
import type { ClusterChanges } from "./cluster-cache.ts";
import type { ClusterResources } from "./cluster-view.ts";
import type { AgentConfig } from "./config/settings.ts";

const ipipTunnel: TunnelDevice = { name: ipipDeviceName, family: 4, encapsulation: "ipip" };

type NatConfig = Pick<
  AgentConfig,
  | "natOutgoingExclusions"
  | "natPortRange"
  | "natOutgoingAddress"
  | "natOutgoingInterfaceFilter"
  | "protectEncapsulation"
  | "vxlanDevice"
  | "vxlanDeviceV6"
  | "vxlanPort"
  | "udpEncapDevice"
  | "udpEncapPort"
>;

/** Whether `natState` gives another answer after these changes. */
export function concernsNat({ kinds, nodes }: ClusterChanges): boolean {
  const texts = (node: Resource<"Node"> | undefined) => (node === undefined ? "" : addressesOf(node.spec).join(" "));
  return kinds.has("IPPool") || nodes.some(({ before, after }) => texts(before) !== texts(after));
}

/** What the pools and nodes of the cluster ask of this node's address translation. */
export function natState({ pools, nodes }: Pick<ClusterResources, "pools" | "nodes">, config: NatConfig): NatState {
  const { natPortRange, natOutgoingAddress, natOutgoingInterfaceFilter } = config;
  const podPools = pools
    .map(({ spec, metadata }) => effectivePool(spec, metadata))
    .filter(({ allowedUses }) => !allowedUses.includes("LoadBalancer"));
  const vxlanTunnels: TunnelDevice[] = [
    { name: config.vxlanDevice, family: 4, encapsulation: "vxlan" },
    { name: config.vxlanDeviceV6, family: 6, encapsulation: "vxlan" },
  ];
  const udpTunnel: TunnelDevice = { name: config.udpEncapDevice, family: 4, encapsulation: "udp" };
  const usesVxlan = ({ family }: TunnelDevice) =>
    podPools.some(({ cidr, vxlanMode }) => cidr.family === family && vxlanMode !== "Never");
  return {
    pools: podPools.map(({ cidr, natOutgoing }) => ({ cidr, natOutgoing })),
    nodeAddresses: nodes.flatMap(({ spec }) => addressesOf(spec)),
    tunnelDevices: [
      ...(podPools.some(({ ipipMode }) => ipipMode !== "Never") ? [ipipTunnel] : []),
      ...vxlanTunnels.filter(usesVxlan),
      ...(podPools.some(({ udpMode }) => udpMode !== "Never") ? [udpTunnel] : []),
    ],
    options: {
      natOutgoingExclusions: config.natOutgoingExclusions,
      protectEncapsulation: config.protectEncapsulation,
      vxlanPort: config.vxlanPort,
      udpPort: config.udpEncapPort,
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
