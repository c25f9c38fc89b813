import type { Policy, PolicyRule } from "../../bgp/policy/types.ts";
import type { RoutingPool } from "./sources.ts";

/** What a peer sends is taken as it is, as Calico's own BIRD does without filters; loops are BGP's own business. */
export const importPolicy: Policy = { name: "import", rules: [], defaultAction: "accept" };

/**
 * MED of routes that we pass on to eBGP peers for other nodes. A top-of-rack router that peers with every node hears each
 * block from all of them with the same AS path; its owner sends no MED, which counts as 0, and so wins.
 */
const passedOnMed = 100;

/**
 * What goes out: prefixes inside the cluster's pools and nothing else (Calico's calico_export_to_bgp_peers). A pool that is
 * disabled still counts, because disabling stops allocation only; one with disableBGPExport never goes out. What we
 * originate ourselves is already limited to blocks and borrowed addresses.
 */
export function compileExportPolicy(pools: readonly RoutingPool[]): Policy {
  const inPool = (pool: RoutingPool) => ({ prefixes: [{ prefix: pool.cidr, operator: "in" as const }] });
  const hidden = pools.filter((pool) => pool.disableBgpExport);
  const rules: PolicyRule[] = [
    ...hidden.map(
      (pool): PolicyRule => ({
        name: `pool ${pool.name} has disableBGPExport`,
        match: inPool(pool),
        action: "reject",
      }),
    ),
    ...pools.flatMap((pool): PolicyRule[] => [
      { name: `pool ${pool.name}, own route`, match: { ...inPool(pool), source: "local" }, action: "accept" },
      {
        name: `pool ${pool.name}, passed on to an eBGP peer`,
        match: { ...inPool(pool), source: "peer", peerType: "ebgp" },
        action: "accept",
        operations: [{ type: "set-med", value: passedOnMed }],
      },
      { name: `pool ${pool.name}, passed on`, match: inPool(pool), action: "accept" },
    ]),
  ];
  return { name: "export", rules, defaultAction: "reject" };
}
