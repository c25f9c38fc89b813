import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { ResourceClient } from "../../src/datastore/resource-client.ts";
import { IpamAdministration } from "../../src/ipam/administration.ts";
import { Collector } from "../../src/ipam/audit/collector.ts";
import { type LiveAddress, NodeAudit, type NodeFacts } from "../../src/ipam/audit/node-audit.ts";
import type { Ipam } from "../../src/ipam/ipam.ts";
import { IpAddress } from "../../src/net/address.ts";
import type { Actor } from "./ledger.ts";
import { isLive, type World } from "./world.ts";

/** Looks that are less apart than this count as one. */
const APART_MS = 30_000;

/** What a process does besides handing out addresses. */
export interface Upkeep {
  readonly audit: NodeAudit;
  readonly collector: Collector;
  /** What an audit that begins now may do. */
  readonly auditRights: () => Pick<Actor, "frees" | "asserts">;
  readonly collectorRights: () => Pick<Actor, "frees" | "releases">;
}

/** The audit of a process's node and a collector; `datastore` and `ipam` are the process's. */
export function createUpkeep(
  world: World,
  node: string,
  datastore: Datastore,
  ipam: Ipam,
  random: () => number,
): Upkeep {
  const { scheduler, clients, goneNodes, pools } = world;
  const { clock } = scheduler;
  /** What all processes of the node together have. */
  const handles = () => clients.filter((client) => client.node === node).flatMap((client) => client.handles);
  const facts = async (): Promise<NodeFacts> => ({
    live: handles()
      .filter(isLive)
      .flatMap(({ id, tenures }) =>
        tenures.map(
          ({ address }): LiveAddress => ({
            address: IpAddress.parse(address),
            owner: { handleId: id, attributes: { node } },
            user: id,
            device: `cali-${id}`,
          }),
        ),
      ),
    recorded: new Set(),
    local: { routed: new Map(), devices: new Set() },
  });
  const shared = { clock, logger: silentLogger, dryRun: false, apartMs: APART_MS };
  const administration = new IpamAdministration({ datastore, clock, random, pools: () => pools });
  const client = new ResourceClient({ datastore, clock, createUid: () => "" });
  const isOf = (owner: string, handleId: string) =>
    clients.some((each) => each.node === owner && each.handles.some(({ id }) => id === handleId));
  return {
    audit: new NodeAudit({
      ...shared,
      nodeName: node,
      ipam,
      facts,
      isPooled: () => true,
      deviceOf: (_, pod) => pod,
      isPodHandle: (handleId) => handleId.startsWith("net."),
      isBeingMade: (handleId) => handles().some(({ id, state }) => id === handleId && state === "asked"),
    }),
    collector: new Collector({ ...shared, datastore, client, administration, isRouted: () => false }),
    auditRights: () => ({
      // A pod may end while the audit is under way; what is recorded for it then is freed by the next ones.
      asserts: (_, handleId) => isOf(node, handleId),
      frees: (_, handleId) =>
        isOf(node, handleId) && !handles().some((handle) => handle.id === handleId && isLive(handle)),
    }),
    collectorRights: () => ({
      frees: (_, handleId) => [...goneNodes].some((gone) => isOf(gone, handleId)),
      releases: (_, owner) => goneNodes.has(owner),
    }),
  };
}
