import type { IpamPool, Labels } from "../../ipam/pool-selection.ts";
import type { AddressFamily } from "../../net/address.ts";
import { Prefix, parseCidr } from "../../net/prefix.ts";
import type { NodeAddress } from "../start/detect-address.ts";

/** The pools that a tunnel's address may come from; empty if no pool wants that tunnel on this node. */
export interface TunnelPlan {
  readonly ipip: readonly Prefix[];
  readonly vxlan: Readonly<Record<AddressFamily, readonly Prefix[]>>;
  readonly udp: readonly Prefix[];
}

/** Which tunnels the pools want of a node, by Calico's rules for tunnel addresses. */
export function planTunnels(pools: readonly IpamPool[], nodeLabels: Labels): TunnelPlan {
  const usable = pools.filter(
    (pool) => !pool.disabled && pool.allowedUses.includes("Tunnel") && pool.selectsNode(nodeLabels),
  );
  const vxlan = usable.filter((pool) => pool.vxlanMode !== "Never").map((pool) => pool.cidr);
  return {
    ipip: usable.filter(({ ipipMode, cidr }) => ipipMode !== "Never" && cidr.family === 4).map(({ cidr }) => cidr),
    udp: usable.filter(({ udpMode }) => udpMode !== "Never").map(({ cidr }) => cidr),
    vxlan: { 4: vxlan.filter(({ family }) => family === 4), 6: vxlan.filter(({ family }) => family === 6) },
  };
}

/** Further subnets whose nodes this node reaches without a router, for machines with several network cards. */
const onLinkAnnotation = "calibird.io/on-link-subnets";

/**
 * The subnets of a node, which CrossSubnet asks about: those of its addresses, and those of its annotation (a comma list).
 * A /32 is the node alone, as with cloud providers, so that everything else is tunnelled. What does not parse is left out.
 */
export function onLinkSubnets(
  addresses: readonly NodeAddress[],
  annotations: Readonly<Record<string, string>>,
): Prefix[] {
  const own = addresses.map(({ address, prefixLength }) => Prefix.of(address, prefixLength));
  const further = (annotations[onLinkAnnotation] ?? "").split(",").flatMap((text) => {
    const trimmed = text.trim();
    if (trimmed === "") return [];
    try {
      const { address: subnet, length } = parseCidr(trimmed);
      return [Prefix.of(subnet, length)];
    } catch {
      return [];
    }
  });
  return [...own, ...further];
}
