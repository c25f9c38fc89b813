import { describe, expect, it } from "vitest";
import { CONFIG_KEY } from "../../../src/ipam/keys.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { Crash, type Fault } from "../../support/faulty-datastore.ts";
import {
  allocated,
  Cluster,
  expectAllAssignable,
  POOL_ADDRESSES,
  type Process,
  request,
} from "../../support/ipam-cluster.ts";

/** What is there before, and what node a does when it dies. */
interface Scenario {
  readonly prepare?: (a: Process, b: Process, cluster: Cluster) => Promise<unknown>;
  readonly act: (a: Process) => Promise<unknown>;
}

const ownBlock = async ({ ipam }: Process): Promise<Prefix> => ipam.ensureBlock(4);
const firstBlock = async ({ ipam }: Process): Promise<Prefix> => {
  const [block] = await ipam.ownBlocks();
  if (block === undefined) throw new Error("there is no block");
  return block;
};

const scenarios: Readonly<Record<string, Scenario>> = {
  "claims a new block": { act: ownBlock },
  "claims a block by hand": { act: ({ claims }) => claims.claim(Prefix.parse("10.0.0.4/30")) },
  "claims a block that another node owns": {
    prepare: (_, b) => b.claims.claim(Prefix.parse("10.0.0.4/30")),
    act: ({ claims }) => claims.claim(Prefix.parse("10.0.0.4/30")),
  },
  "claims several blocks of a range": {
    act: ({ administration }) => administration.claimRange(Prefix.parse("10.0.0.0/29"), "a"),
  },
  "assigns an address of its block": { prepare: ownBlock, act: ({ ipam }) => ipam.autoAssign(request("net.x", 1)) },
  "assigns addresses of both families and several blocks": {
    act: ({ ipam }) => ipam.autoAssign(request("net.x", 6, 2)),
  },
  "assigns more than there is and undoes it": {
    act: ({ ipam }) => ipam.autoAssign(request("net.x", 3, POOL_ADDRESSES + 1)).catch(() => undefined),
  },
  "assigns a second time to the same handle": {
    prepare: ({ ipam }) => ipam.autoAssign(request("net.x", 2)),
    act: ({ ipam }) => ipam.autoAssign(request("net.x", 1)),
  },
  "assigns a given address": {
    act: ({ ipam }) => ipam.assignAddress({ ...request("net.x", 1), address: Prefix.parse("10.0.0.6/32").address }),
  },
  "borrows from another node": {
    prepare: (_, b) => b.ipam.autoAssign(request("net.b", POOL_ADDRESSES - 3)),
    act: ({ ipam }) => ipam.autoAssign(request("net.x", 2)),
  },
  "takes over an empty block": {
    prepare: async (_, b, cluster) => {
      await b.administration.claimRange(Prefix.parse("10.0.0.0/29"), "b");
      cluster.nowMs += 120_000;
    },
    act: ({ ipam }) => ipam.autoAssign(request("net.x", 1)),
  },
  "releases by handle": {
    prepare: ({ ipam }) => ipam.autoAssign(request("net.x", 6, 1)),
    act: ({ ipam }) => ipam.releaseByHandle("net.x"),
  },
  "releases addresses of two handles": {
    prepare: async ({ ipam }) => {
      await ipam.autoAssign(request("net.x", 2));
      await ipam.autoAssign(request("net.y", 4));
    },
    act: async ({ ipam }) => {
      const found = [...(await ipam.addressesByHandle("net.x")), ...(await ipam.addressesByHandle("net.y"))];
      await ipam.releaseAddresses(found);
    },
  },
  "releases the last address of a block without an owner": {
    prepare: async (a) => {
      await a.ipam.autoAssign(request("net.x", 1));
      await a.claims.giveUp("a", await firstBlock(a), { onlyEmpty: false });
    },
    act: ({ ipam }) => ipam.releaseByHandle("net.x"),
  },
  "gives up an empty block": {
    prepare: ownBlock,
    act: async (a) => a.claims.giveUp("a", await firstBlock(a), { onlyEmpty: true }),
  },
  "gives up a block with addresses": {
    prepare: ({ ipam }) => ipam.autoAssign(request("net.x", 2)),
    act: async (a) => a.claims.giveUp("a", await firstBlock(a), { onlyEmpty: false }),
  },
  "gives up all blocks of a node": {
    prepare: ({ ipam }) => ipam.autoAssign(request("net.x", 6, 2)),
    act: ({ administration }) => administration.releaseNode("a", { onlyEmpty: false }),
  },
  "gives a block to another node": {
    prepare: ({ ipam }) => ipam.autoAssign(request("net.x", 2)),
    act: async (a) => a.administration.reassignBlock(await firstBlock(a), "b"),
  },
};

async function start(scenario: Scenario, cooldownSec: number): Promise<Cluster> {
  const cluster = new Cluster();
  await write(cluster.store, put(CONFIG_KEY, `{"auto_allocate_blocks":true,"ipCooldownSeconds":${cooldownSec}}`));
  await scenario.prepare?.(cluster.node("a"), cluster.node("b"), cluster);
  return cluster;
}

async function countWrites(scenario: Scenario): Promise<number> {
  const cluster = await start(scenario, 0);
  const revision = async () => (await cluster.store.get("x")).revision;
  const before = await revision();
  await scenario.act(cluster.node("a"));
  return Number((await revision()) - before);
}

const cases = await Promise.all(
  Object.entries(scenarios).map(async ([name, scenario]) => ({ name, scenario, writes: await countWrites(scenario) })),
);

describe.each(cases)("a node that $name", ({ scenario, writes }) => {
  // Before each write, and after the last one; what lies between two writes changes nothing.
  const points = Array.from({ length: writes + 1 }, (_, point) => ({ point }));
  describe.each([0, 30])("with a cooldown of %i s", (cooldownSec) => {
    it.each(points)("leaves nothing wrong behind when it dies after $point writes", async ({ point }) => {
      const cluster = await start(scenario, cooldownSec);
      const before = await allocated(cluster.store);
      const fault = new Map<number, Fault>(point < writes ? [[point, "crash-before"]] : [[point - 1, "crash-after"]]);
      const dying = cluster.node("a", fault);
      // What the process goes on to do has no effect, and what it throws nobody sees.
      await scenario.act(dying).catch(() => undefined);
      if (writes > 0) await expect(dying.datastore.get(CONFIG_KEY)).rejects.toThrow(Crash);

      // Handles and blocks agree at once. What nobody uses is found, and what is in use is left alone.
      const after = await allocated(cluster.store);
      const kept = [...after].filter(([address, handleId]) => before.get(address) === handleId);
      await cluster.repair(kept.map(([address]) => address));
      expect([...(await allocated(cluster.store))].sort()).toEqual(kept.sort());
      // The node comes back and works.
      const { ipam } = cluster.node("a");
      expect((await ipam.autoAssign(request("net.again", 1))).ipv4).toHaveLength(1);
      await expectAllAssignable(cluster);
    });

    it.each(points.slice(1))(
      "ends as if nothing had been when the answer to write $point is lost",
      async ({ point }) => {
        for (const fault of ["unknown-before", "unknown-after"] as const) {
          const cluster = await start(scenario, cooldownSec);
          await scenario.act(cluster.node("a", new Map([[point - 1, fault]])));
          const undisturbed = await start(scenario, cooldownSec);
          await scenario.act(undisturbed.node("a"));
          expect([...(await allocated(cluster.store))].sort()).toEqual(
            [...(await allocated(undisturbed.store))].sort(),
          );
          await expectAllAssignable(cluster);
        }
      },
    );
  });
});
