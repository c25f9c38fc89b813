import type { IpamPool, Labels } from "../../ipam/pool-selection.ts";
import type { IpAddress } from "../../net/address.ts";
import { Prefix, parseCidr } from "../../net/prefix.ts";

/** The pools that a tunnel's address may come from; empty if no pool wants that tunnel on this node. */
export interface TunnelPlan {
  readonly ipip: readonly Prefix[];
  readonly vxlan: readonly Prefix[];
}

/** Which tunnels the pools want of a node, by Calico's rules for tunnel addresses. */
export function planTunnels(pools: readonly IpamPool[], nodeLabels: Labels): TunnelPlan {
  const usable = pools.filter(
    (pool) =>
      !pool.disabled &&
      pool.cidr.family === 4 &&
      (pool.allowedUses.length === 0 || pool.allowedUses.includes("Tunnel")) &&
      pool.selectsNode(nodeLabels),
  );
  return {
    ipip: usable.filter((pool) => pool.ipipMode !== "Never").map((pool) => pool.cidr),
    vxlan: usable.filter((pool) => pool.vxlanMode !== "Never").map((pool) => pool.cidr),
  };
}

/** Further subnets whose nodes this node reaches without a router, for machines with several network cards. */
const onLinkAnnotation = "calibird.io/on-link-subnets";

/**
 * The subnets of a node, which CrossSubnet asks about: that of its address, and those of its annotation (a comma list).
 * A /32 is the node alone, as with cloud providers, so that everything else is tunnelled. What does not parse is left out.
 */
export function onLinkSubnets(
  address: { readonly address: IpAddress; readonly prefixLength: number } | undefined,
  annotations: Readonly<Record<string, string>>,
): Prefix[] {
  const own = address === undefined ? [] : [Prefix.of(address.address, address.prefixLength)];
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
