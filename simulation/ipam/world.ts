import type { Datastore } from "../../src/datastore/datastore.ts";
import type { IpamPool } from "../../src/ipam/pool-selection.ts";
import type { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { ipamPool } from "../../test/support/ipam-pools.ts";
import type { Client } from "./client.ts";
import { BLOCK_ADDRESSES, type History, POOL_ADDRESSES } from "./history.ts";
import { Ledger, type Tenure } from "./ledger.ts";
import type { Scheduler } from "./scheduler.ts";

/** What a client asked for, and what it was told. */
export interface Handle {
  readonly id: string;
  readonly afterCrash: "ask" | "release" | "forget";
  readonly askedMs: number;
  /** `open`: the client has no answer, and does not wait for one. */
  state: "asked" | "answered" | "open";
  /** Somebody has begun to release it. */
  released: boolean;
  /** What it was told to have. */
  readonly tenures: Tenure[];
}

/** True while a client counts on what it was told. */
export const isLive = ({ state, released }: Handle): boolean => state === "answered" && !released;

const POOLS = {
  4: Prefix.parse(`10.0.0.0/${32 - Math.log2(POOL_ADDRESSES)}`),
  6: Prefix.parse(`fd00::/${128 - Math.log2(POOL_ADDRESSES)}`),
} as const;
const blockLength = (family: 4 | 6) => (family === 4 ? 32 : 128) - Math.log2(BLOCK_ADDRESSES);

export const addressAt = (ordinal: number): IpAddress => POOLS[4].address.plus(ordinal);
export const blockAt = (index: number): Prefix => POOLS[4].subnet(blockLength(4), index);

/** Everything that the clients of one history share. */
export class World {
  readonly store: Datastore;
  readonly scheduler: Scheduler;
  readonly ledger: Ledger;
  readonly pools: readonly IpamPool[] = [
    ipamPool("v4", `${POOLS[4]}`, { blockSize: blockLength(4) }),
    ipamPool("v6", `${POOLS[6]}`, { blockSize: blockLength(6) }),
  ];
  readonly clients: Client[] = [];
  /** Nodes that were removed from the cluster. */
  readonly goneNodes = new Set<string>();
  readonly #strict: boolean;
  readonly #startMs: number;

  constructor(store: Datastore, scheduler: Scheduler, history: History) {
    this.store = store;
    this.scheduler = scheduler;
    this.#strict = history.strictAffinity;
    this.#startMs = this.nowMs();
    this.ledger = new Ledger(() => this.nowMs(), history.cooldownSec);
  }

  nowMs(): number {
    return this.scheduler.clock.wallMs();
  }

  elapsedMs(): number {
    return this.nowMs() - this.#startMs;
  }

  /** True if a request of `node` could have had so many addresses at any time since then. */
  enough(family: 4 | 6, count: number, sinceMs: number, node: string): boolean {
    const usable = (affinity: string | null) => !this.#strict || affinity === `host:${node}`;
    const free = this.ledger.freeSince(sinceMs, ({ cidr, affinity }) => cidr.family === family && usable(affinity));
    return free + this.absentBlocks(family, sinceMs) * BLOCK_ADDRESSES >= count;
  }

  /** Blocks that nobody has had since then. */
  absentBlocks(family: 4 | 6, sinceMs: number): number {
    const blocks = Array.from(
      { length: POOL_ADDRESSES / BLOCK_ADDRESSES },
      (_, index) => `${POOLS[family].subnet(blockLength(family), index)}`,
    );
    return this.ledger.absentSince(sinceMs, blocks);
  }
}
