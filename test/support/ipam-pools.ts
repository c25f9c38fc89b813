import type { IpamPool } from "../../src/ipam/pool-selection.ts";
import { effectivePool, type IpPoolSpec } from "../../src/resources/ip-pool.ts";

/** A pool as the agent gives it to IPAM. */
export function ipamPool(name: string, cidr: string, spec: Omit<IpPoolSpec, "cidr"> = {}): IpamPool {
  return { name, ...effectivePool({ cidr, ...spec }) };
}
