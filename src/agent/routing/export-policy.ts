import type { Policy, PolicyRule } from "../../bgp/policy/types.ts";
import type { Prefix } from "../../net/prefix.ts";
import { addCommunities } from "../peering/communities.ts";
import type { RoutingPool, ServiceRanges } from "./sources.ts";

/** What a peer sends is taken as it is, as Calico's own BIRD does without filters; loops are BGP's own business. */
export const importPolicy: Policy = { name: "import", rules: [], defaultAction: "accept" };

/**
 * MED of routes that we pass on to eBGP peers for other nodes. A top-of-rack router that peers with every node hears each
 * block from all of them with the same AS path; its owner sends no MED, which counts as 0, and so wins.
 */
const passedOnMed = 100;

export interface ExportSettings {
  readonly pools: readonly RoutingPool[];
  readonly services: ServiceRanges;
  /** Communities for routes inside a prefix. */
  readonly advertisements: readonly { readonly cidr: Prefix; readonly communities: readonly string[] }[];
  /** This node is a route reflector. */
  readonly isReflector: boolean;
}

/**
 * What goes out: prefixes inside the cluster's pools, the service ranges of this node and nothing else (Calico's
 * calico_export_to_bgp_peers). A pool that is disabled still counts, because disabling stops allocation only; one with
 * disableBGPExport never goes out. What we originate ourselves is already limited to blocks, borrowed addresses and services.
 */
export function compileExportPolicy({ pools, services, advertisements, isReflector }: ExportSettings): Policy {
  const inside = (prefix: Prefix) => ({ prefixes: [{ prefix, operator: "in" as const }] });
  const hidden = pools.filter((pool) => pool.disableBgpExport);
  const rules: PolicyRule[] = [
    ...hidden.map(
      (pool): PolicyRule => ({
        name: `pool ${pool.name} has disableBGPExport`,
        match: inside(pool.cidr),
        action: "reject",
      }),
    ),
    ...advertisements.map(
      ({ cidr, communities }): PolicyRule => ({
        name: `prefixAdvertisements ${cidr}`,
        match: inside(cidr),
        action: "continue",
        operations: addCommunities(communities),
      }),
    ),
    ...services.announced.map(
      (prefix): PolicyRule => ({
        name: `services ${prefix}, own route`,
        match: { ...inside(prefix), source: "local" },
        action: "accept",
      }),
    ),
    // Services are in no pool, and the nodes behind a reflector would not hear of them.
    ...(isReflector ? services.outside : []).map(
      (prefix): PolicyRule => ({ name: `services ${prefix}, reflected`, match: inside(prefix), action: "accept" }),
    ),
    ...pools.flatMap((pool): PolicyRule[] => [
      { name: `pool ${pool.name}, own route`, match: { ...inside(pool.cidr), source: "local" }, action: "accept" },
      {
        name: `pool ${pool.name}, passed on to an eBGP peer`,
        match: { ...inside(pool.cidr), source: "peer", peerType: "ebgp" },
        action: "accept",
        operations: [{ type: "set-med", value: passedOnMed }],
      },
      { name: `pool ${pool.name}, passed on`, match: inside(pool.cidr), action: "accept" },
    ]),
  ];
  return { name: "export", rules, defaultAction: "reject" };
}
