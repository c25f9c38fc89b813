import { expect, it } from "vitest";
import { allocate, type Block, disowned, newBlock } from "../../../src/ipam/block.ts";
import { encodeAffinity, encodeBlock, encodeHandle } from "../../../src/ipam/codec.ts";
import { affinityKey, blockKey, handleKey } from "../../../src/ipam/keys.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { allocated, Cluster, expectAllAssignable, request } from "../../support/ipam-cluster.ts";

const cidr = Prefix.parse("10.0.0.4/30");
const fresh = newBlock(cidr, "c", Date.parse("2026-01-02T03:04:00Z"));
const used = allocate(fresh, 2, { handleId: "calico.pod", attributes: { node: "c" } }).block;

/** Calico writes blocks, affinities and handles one by one: what is there when one of its processes dies in between. */
interface Leftovers {
  readonly affinity?: "pending" | "confirmed" | "pendingDeletion";
  readonly block?: Block;
  /** Addresses that the handle counts. */
  readonly counted?: number;
}

const leftovers: Readonly<Record<string, Leftovers>> = {
  "its affinity, before the block": { affinity: "pending" },
  "its affinity and the block, before it confirmed them": { affinity: "pending", block: fresh },
  "a handle, before the address": { affinity: "confirmed", block: fresh, counted: 1 },
  "a handle that counts more than it got": { affinity: "confirmed", block: used, counted: 3 },
  "a handle after all its addresses were freed": { affinity: "confirmed", block: fresh, counted: 2 },
  "a handle of a block that is gone": { counted: 1 },
  "an empty block that it was giving up": { affinity: "pendingDeletion", block: fresh },
  "an affinity whose block it has deleted": { affinity: "pendingDeletion" },
  "a block with addresses that it was giving up": { affinity: "pendingDeletion", block: used, counted: 2 },
  "an affinity to a block that nobody owns any more": {
    affinity: "pendingDeletion",
    block: disowned(used),
    counted: 2,
  },
};

it.each(Object.entries(leftovers))(
  "what a dead Calico has left, %s, is put right",
  async (_, { affinity, block, counted }) => {
    for (const successor of ["a", "c"]) {
      const cluster = new Cluster();
      const handle = { counts: new Map([[`${cidr}`, counted ?? 0]]), unknownFields: {} };
      await write(
        cluster.store,
        ...(affinity === undefined ? [] : [put(affinityKey("c", cidr), encodeAffinity(affinity))]),
        ...(block === undefined ? [] : [put(blockKey(cidr), encodeBlock(block))]),
        ...(counted === undefined ? [] : [put(handleKey("calico.pod"), encodeHandle(handle))]),
      );
      const inUse = block === used || block?.affinity === null ? ["10.0.0.4", "10.0.0.5"] : [];
      await cluster.repair(inUse);
      const { ipam } = cluster.node(successor);
      expect((await ipam.autoAssign(request("net.x", 4))).ipv4).toHaveLength(4);
      const now = await allocated(cluster.store);
      expect([...now].filter(([, handleId]) => handleId === "calico.pod").map(([address]) => address)).toEqual(inUse);
      await expectAllAssignable(cluster);
    }
  },
);
