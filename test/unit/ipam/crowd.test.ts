import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { IpamError } from "../../../src/ipam/errors.ts";
import { CONFIG_KEY } from "../../../src/ipam/keys.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

const NODES = 50;
/** 16 blocks of four addresses. */
const pools = [ipamPool("small", "10.0.0.0/26", { blockSize: 30 })];

let store: Datastore;
let dispose: () => Promise<void>;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
});
afterEach(() => dispose());

async function askAtOnce(): Promise<PromiseSettledResult<unknown>[]> {
  const nodes = Array.from({ length: NODES }, (_, index) => ipamNode(store, `node-${index}`, pools));
  return Promise.allSettled(nodes.map((ipam, index) => ipam.autoAssign(addressRequest(`net.${index}`))));
}

describe("fifty nodes that ask at once for an address of a pool with sixteen blocks", () => {
  it("all get one, since what has no block of its own borrows", async () => {
    const answers = await askAtOnce();
    expect(answers.filter(({ status }) => status === "rejected")).toEqual([]);
    const { problems, allocations } = await auditIpam(store);
    expect(problems).toEqual([]);
    expect(allocations.size).toBe(NODES);
  }, 60_000);

  it("get one each for the blocks that there are if affinity is strict, and the others hear who has them", async () => {
    await write(store, put(CONFIG_KEY, '{"strict_affinity":true,"auto_allocate_blocks":true}'));
    const answers = await askAtOnce();
    const errors = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason as unknown] : []));
    expect(errors).toHaveLength(NODES - 16);
    for (const error of errors) {
      expect(error).toBeInstanceOf(IpamError);
      expect(error).toMatchObject({ code: "POOL_EXHAUSTED" });
      expect(`${error}`).toContain("held by: ");
    }
    const { problems, allocations } = await auditIpam(store);
    expect(problems).toEqual([]);
    expect(allocations.size).toBe(16);
  }, 60_000);
});
