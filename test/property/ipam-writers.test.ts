import fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { type Clock, systemClock } from "../../src/core/clock.ts";
import { silentLogger } from "../../src/core/logger.ts";
import type { Datastore } from "../../src/datastore/datastore.ts";
import { IpamError } from "../../src/ipam/errors.ts";
import { Ipam } from "../../src/ipam/ipam.ts";
import { Crash, type Fault, faultyDatastore } from "../support/faulty-datastore.ts";
import { auditIpam } from "../support/ipam-audit.ts";
import { ipamPool } from "../support/ipam-pools.ts";
import { temporaryStore } from "../support/temporary-store.ts";

const WRITERS = 8;
/** Eight blocks of eight addresses. */
const POOLS = [ipamPool("v4", "10.0.0.0/26", { blockSize: 29 })];
const CAPACITY = 64;
/** Pauses cost nothing: the scheduler decides the order. */
const clock: Clock = {
  ...systemClock,
  setTimer(_, fire) {
    const handle = setImmediate(fire);
    return { cancel: () => clearImmediate(handle) };
  },
};

let store: Datastore;
let dispose: () => Promise<void>;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
});
afterEach(() => dispose());

const fault = fc.constantFrom<Fault>("crash-before", "crash-after", "unknown-before", "unknown-after");
const faults = fc.array(fc.tuple(fc.nat({ max: 12 }), fault), { maxLength: 2 });
const scenario = fc.record({
  pods: fc.integer({ min: 2, max: 12 }),
  faults: fc.array(faults, { minLength: WRITERS, maxLength: WRITERS }),
  seed: fc.nat(),
});

/** Numbers in [0, 1) that depend on the seed alone. */
function seededRandom(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) ^ (state << 7) ^ 0x5bd1e995;
    return (state >>> 0) / 2 ** 32;
  };
}

it("eight nodes that die and lose answers at any write share no address and no block, and leak nothing", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), scenario, async (scheduler, { pods, faults: faultLists, seed }) => {
      run++;
      const name = (writer: number) => `run${run}-node-${writer}`;
      const startNode = (writer: number, plan: ReadonlyMap<number, Fault>) =>
        new Ipam({
          datastore: faultyDatastore(store, plan, () => scheduler.schedule(Promise.resolve(), name(writer))),
          nodeName: name(writer),
          clock,
          random: seededRandom(seed + writer),
          logger: silentLogger,
          pools: () => POOLS,
          nodeLabels: () => ({}),
        });
      const answers = new Map<string, string>();
      const handles: string[] = [];
      const runNode = async (writer: number) => {
        let ipam = startNode(writer, new Map(faultLists[writer]));
        for (let pod = 0; pod < pods; pod++) {
          const handleId = `run${run}.${writer}-${pod}`;
          handles.push(handleId);
          try {
            const { ipv4 } = await ipam.autoAssign({
              handleId,
              attributes: { node: name(writer) },
              count4: 1,
              count6: 0,
              intendedUse: "Workload",
            });
            expect(ipv4).toHaveLength(1);
            const address = `${ipv4[0]?.address}`;
            expect(answers.get(address)).toBeUndefined();
            answers.set(address, handleId);
          } catch (error) {
            if (error instanceof Crash) ipam = startNode(writer, new Map());
            else if (!(error instanceof IpamError) || error.code !== "POOL_EXHAUSTED") throw error;
          }
        }
      };
      await scheduler.waitFor(Promise.all(Array.from({ length: WRITERS }, (_, writer) => runNode(writer))));

      const { problems, allocations } = await auditIpam(store);
      expect(problems).toEqual([]);
      for (const [address, handleId] of answers) expect(allocations.get(address)).toBe(handleId);
      if (pods * WRITERS >= CAPACITY + WRITERS * 2) expect(allocations.size).toBe(CAPACITY);

      const cleaner = startNode(WRITERS, new Map());
      const releasing = (async () => {
        for (const handleId of handles) await cleaner.releaseByHandle(handleId);
      })();
      await scheduler.waitFor(releasing);
      expect((await auditIpam(store)).allocations.size).toBe(0);
      expect((await store.list("/calico/ipam/v2/handle/")).items).toEqual([]);
      for (const { key } of (await store.list("/calico/")).items)
        await store.transact({ compares: [], success: [{ type: "delete", key }] });
    }),
    { numRuns: 25 },
  );
});
