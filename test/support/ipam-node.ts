import { type Clock, systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { Ipam, type IpamOptions } from "../../src/ipam/ipam.ts";
import type { IpamPool } from "../../src/ipam/pool-selection.ts";

/** IPAM of a node on a store, with the time that `wallMs` tells. */
export function ipamNode(
  store: Datastore,
  nodeName: string,
  pools: readonly IpamPool[],
  options: Partial<IpamOptions> & { readonly wallMs?: () => number } = {},
): Ipam {
  const { wallMs = systemClock.wallMs, ...others } = options;
  const clock: Clock = { ...systemClock, wallMs };
  const fixed = { datastore: store, clock, random: Math.random, logger: silentLogger };
  return new Ipam({ ...fixed, nodeName, pools: () => pools, nodeLabels: () => ({}), ...others });
}

/** A request for addresses of workloads. */
export const addressRequest = (handleId: string, count4 = 1, count6 = 0) =>
  ({ handleId, attributes: { node: "a" }, count4, count6, intendedUse: "Workload" }) as const;
