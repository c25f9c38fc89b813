import { expect } from "vitest";
import { memoryDatastore } from "../../simulation/ipam/memory-datastore.ts";
import { systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { IpamAdministration } from "../../src/ipam/administration.ts";
import { checkIpam } from "../../src/ipam/check.ts";
import { BlockClaims } from "../../src/ipam/claims.ts";
import type { AddressUse } from "../../src/ipam/cluster-facts.ts";
import { Ipam } from "../../src/ipam/ipam.ts";
import { HANDLES_PREFIX } from "../../src/ipam/keys.ts";
import { IpamStore } from "../../src/ipam/store.ts";
import { surveyIpam } from "../../src/ipam/survey.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { type Fault, faultyDatastore } from "./faulty-datastore.ts";
import { auditIpam } from "./ipam-audit.ts";
import { ipamPool } from "./ipam-pools.ts";

/** Two blocks of four addresses each. */
const POOLS = [ipamPool("v4", "10.0.0.0/29", { blockSize: 30 }), ipamPool("v6", "fd00::/125", { blockSize: 126 })];
export const POOL_ADDRESSES = 8;
const NODES = ["a", "b", "c"];
/** Later than any block is protected by the time of its claim. */
const LATER_MS = 120_000;

/** One cluster in memory. */
export class Cluster {
  readonly store = memoryDatastore();
  nowMs = Date.parse("2026-01-02T03:04:05Z");
  readonly clock = { ...systemClock, wallMs: () => this.nowMs };

  /** A process of a node, which meets faults at its writes. */
  node(nodeName: string, faults: ReadonlyMap<number, Fault> = new Map()) {
    const datastore = faultyDatastore(this.store, faults);
    const { clock } = this;
    const parts = { datastore, clock, random: () => 0, pools: () => POOLS };
    return {
      datastore,
      ipam: new Ipam({ ...parts, nodeName, logger: silentLogger, nodeLabels: () => ({}) }),
      claims: new BlockClaims(new IpamStore(datastore), nodeName, clock, () => 0),
      administration: new IpamAdministration(parts),
    };
  }

  /** What an administrator does who believes the check; `inUse` are the addresses that pods have. */
  async repair(inUse: readonly string[]): Promise<void> {
    const { administration } = this.node("administrator");
    const { allocations } = await auditIpam(this.store);
    const uses = [...allocations.keys()].flatMap((address): AddressUse[] =>
      inUse.includes(address)
        ? [{ address: Prefix.parse(`${address}/${address.includes(":") ? 128 : 32}`).address, node: "a", user: "pod" }]
        : [],
    );
    const survey = await surveyIpam(this.store);
    const report = checkIpam(survey, { pools: POOLS, nodes: new Set(NODES), uses }, this.nowMs);
    await administration.release(report.leaked);
    for (const { handleId } of report.emptyHandles) await administration.correctHandle(handleId);
    for (const { handleId, block } of report.miscountedHandles)
      await administration.recount(handleId, Prefix.parse(block));
  }
}

export type Process = ReturnType<Cluster["node"]>;

export const request = (handleId: string, count4: number, count6 = 0) =>
  ({ handleId, attributes: { node: "a" }, count4, count6, intendedUse: "Workload" }) as const;

/** Everything can be taken by one node, and then nothing is left. */
export async function expectAllAssignable(cluster: Cluster): Promise<void> {
  cluster.nowMs += LATER_MS;
  const { ipam, administration } = cluster.node("last");
  const handles = (await cluster.store.list(HANDLES_PREFIX)).items.map(({ key }) => key.slice(HANDLES_PREFIX.length));
  for (const handleId of handles) await administration.releaseHandle(handleId);
  expect((await cluster.store.list(HANDLES_PREFIX)).items).toEqual([]);
  cluster.nowMs += LATER_MS;
  const { ipv4, ipv6 } = await ipam.autoAssign(request("net.last", POOL_ADDRESSES, POOL_ADDRESSES));
  expect([ipv4.length, ipv6.length]).toEqual([POOL_ADDRESSES, POOL_ADDRESSES]);
  expect((await auditIpam(cluster.store)).problems).toEqual([]);
}

export async function allocated(store: Datastore): Promise<ReadonlyMap<string, string>> {
  const { problems, allocations } = await auditIpam(store);
  expect(problems).toEqual([]);
  return allocations;
}
