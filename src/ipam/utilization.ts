import type { Prefix } from "../net/prefix.ts";
import { allocationsOf } from "./allocations.ts";
import type { Block } from "./block.ts";
import type { IpamPool } from "./pool-selection.ts";
import type { Reservations } from "./reservations.ts";

/** How many addresses of a range are what. Numbers of large IPv6 ranges are rounded to 53 bits. */
export interface Utilization {
  readonly cidr: Prefix;
  readonly capacity: number;
  /** Those that cool down too. */
  readonly inUse: number;
  /** May be in use as well. */
  readonly reserved: number;
  /** Neither in use nor reserved. */
  readonly available: number;
}

export interface BlockUtilization extends Utilization {
  /** As stored: `host:<node>`, `virtual:<name>`, or null. */
  readonly affinity: string | null;
}

export interface PoolUtilization extends Utilization {
  readonly pool: string;
  readonly blocks: readonly BlockUtilization[];
}

/** The pools in their own order, and the blocks that lie in none of them. */
export function utilizationOf(
  blocks: readonly Block[],
  pools: readonly IpamPool[],
  reserved: Reservations,
): { readonly pools: readonly PoolUtilization[]; readonly orphans: readonly BlockUtilization[] } {
  const used = blocks.map((block) => blockUtilization(block, reserved));
  const isIn = (pool: IpamPool) => (block: BlockUtilization) => pool.cidr.contains(block.cidr);
  return {
    pools: pools.map((pool) => {
      const own = used.filter(isIn(pool));
      const inUse = own.reduce((sum, block) => sum + block.inUse, 0);
      const freeAndReserved = own.reduce((sum, block) => sum + block.capacity - block.inUse - block.available, 0);
      const ownReserved = own.reduce((sum, block) => sum + block.reserved, 0);
      const reservedHere = reserved.countIn(pool.cidr);
      return {
        pool: pool.name,
        cidr: pool.cidr,
        capacity: pool.cidr.size,
        inUse,
        reserved: reservedHere,
        available: pool.cidr.size - inUse - freeAndReserved - (reservedHere - ownReserved),
        blocks: own,
      };
    }),
    orphans: used.filter((block) => !pools.some((pool) => isIn(pool)(block))),
  };
}

function blockUtilization(block: Block, reserved: Reservations): BlockUtilization {
  const allocations = allocationsOf(block);
  const inUse = allocations.length;
  const reservedHere = reserved.countIn(block.cidr);
  const both = reservedHere === 0 ? 0 : allocations.filter(({ address }) => reserved.holds(address)).length;
  const available = block.cidr.size - inUse - (reservedHere - both);
  const { cidr, affinity } = block;
  return { cidr, affinity, capacity: cidr.size, inUse, reserved: reservedHere, available };
}
