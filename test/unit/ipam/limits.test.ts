import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { IpamAdministration } from "../../../src/ipam/administration.ts";
import { CONFIG_KEY } from "../../../src/ipam/keys.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
});
afterEach(async () => {
  expect((await auditIpam(store)).problems).toEqual([]);
  await dispose();
});
const pools = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29 }), ipamPool("v6", "fd00::/123", { blockSize: 125 })];
const configure = (config: string) => write(store, put(CONFIG_KEY, config));
const failure = (promise: Promise<unknown>) => promise.then(() => undefined).catch((reason: unknown) => reason);

describe("the limit of blocks", () => {
  it.each([
    { configured: 3, requested: 2, limit: 2 },
    { configured: 2, requested: 3, limit: 2 },
    { configured: 0, requested: 2, limit: 2 },
  ])("is the smaller one of $configured (configured) and $requested (requested)", async (limits) => {
    await configure(`{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":${limits.configured}}`);
    const ipam = ipamNode(store, "a", pools);
    const request = { ...addressRequest("net.x"), maxBlocks: limits.requested };
    await ipam.autoAssign({ ...request, count4: 16 });
    const error = await failure(ipam.autoAssign(request));
    expect(error).toMatchObject({ code: "BLOCK_LIMIT", details: { limit: limits.limit } });
    for (const block of await ipam.ownBlocks()) expect(`${error}`).toContain(`${block}`);
  });
});

describe("the limit of a handle", () => {
  it("makes a repeated request give the same addresses again, and completes one that was cut short", async () => {
    const ipam = ipamNode(store, "a", pools);
    const request = { ...addressRequest("net.x", 1, 1), maxPerHandle: 2 };
    const first = await ipam.autoAssign(request);
    expect(await ipam.autoAssign(request)).toEqual(first);
    const more = await ipam.autoAssign({ ...request, count4: 2 });
    expect(more.ipv4).toHaveLength(2);
    expect(more.ipv4[0]).toEqual(first.ipv4[0]);
    expect((await auditIpam(store)).allocations.size).toBe(3);
    await expect(ipam.autoAssign({ ...request, count4: 3 })).rejects.toMatchObject({
      code: "HANDLE_LIMIT",
      details: { limit: 2 },
    });
  });

  it("keeps what the handle has had if the rest of a request can't be had", async () => {
    const ipam = ipamNode(store, "a", pools);
    const request = { ...addressRequest("net.x"), maxPerHandle: 40 };
    await ipam.autoAssign(request);
    await expect(ipam.autoAssign({ ...request, count6: 40 })).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    expect(await ipam.addressesByHandle("net.x")).toHaveLength(1);
  });
});

describe("a pool that is used up", () => {
  it("is refused with the nodes that hold its blocks, and which of them are empty", async () => {
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true}');
    await ipamNode(store, "big", pools).autoAssign(addressRequest("net.big", 17));
    await ipamNode(store, "idle", pools).ensureBlock(4);
    const error = await failure(ipamNode(store, "late", pools).autoAssign(addressRequest("net.late")));
    expect(error).toMatchObject({
      code: "POOL_EXHAUSTED",
      details: {
        holders: [
          { owner: "big", blocks: 3, empty: 0 },
          { owner: "idle", blocks: 1, empty: 1 },
        ],
      },
    });
    expect(`${error}`).toContain("held by: big 3, idle 1 (1 empty)");
  });

  it("is also used up where routes say that somebody uses what the datastore calls free", async () => {
    const used = Prefix.parse("10.0.0.0/27");
    const ipam = ipamNode(store, "a", pools, { isUsedElsewhere: (block) => used.contains(block) });
    await expect(ipam.autoAssign(addressRequest("net.x"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    expect((await ipam.autoAssign(addressRequest("net.x", 0, 1))).ipv6).toHaveLength(1);
  });
});

describe("addresses that cool down", () => {
  let nowMs = Date.parse("2026-01-02T03:04:05Z");
  const node = (name: string) => ipamNode(store, name, pools, { wallMs: () => nowMs });

  it("are neither given nor borrowed nor count as an empty block, until their time is over", async () => {
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true,"ipCooldownSeconds":600}');
    await node("a").autoAssign(addressRequest("net.a", 32));
    await node("a").releaseByHandle("net.a");
    nowMs += 120_000;
    await expect(node("a").autoAssign(addressRequest("net.b"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    await expect(node("c").autoAssign(addressRequest("net.b"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    nowMs += 600_000;
    expect((await node("c").autoAssign(addressRequest("net.b"))).ipv4).toHaveLength(1);
    expect((await node("a").autoAssign(addressRequest("net.c", 24))).ipv4).toHaveLength(24);
  });
});

describe("a block that has outlived its owner", () => {
  it("is claimed by whoever needs one, once its last address has cooled down", async () => {
    let nowMs = Date.parse("2026-01-02T03:04:05Z");
    const one = [ipamPool("v4", "10.0.0.0/29", { blockSize: 29 })];
    const node = (name: string) => ipamNode(store, name, one, { wallMs: () => nowMs });
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true,"ipCooldownSeconds":600}');
    await node("a").autoAssign(addressRequest("net.a"));
    const administration = { datastore: store, clock: { ...systemClock, wallMs: () => nowMs }, random: Math.random };
    await new IpamAdministration({ ...administration, pools: () => one }).releaseNode("a", { onlyEmpty: false });
    await node("a").releaseByHandle("net.a");
    await expect(node("b").autoAssign(addressRequest("net.b"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    nowMs += 600_000;
    expect((await node("b").autoAssign(addressRequest("net.b", 8))).ipv4).toHaveLength(8);
    expect(await node("b").ownBlocks()).toHaveLength(1);
  });
});

describe("before the first audit", () => {
  it("nothing new is given out, but what is in use can be asserted, whatever pool and affinity say", async () => {
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true}');
    await ipamNode(store, "b", pools).assignAddress({
      address: IpAddress.parse("10.0.0.1"),
      handleId: "net.b",
      attributes: {},
    });
    const closed = pools.map((pool) => ({ ...pool, disabled: true }));
    const ipam = ipamNode(store, "a", closed, { refusal: () => "the pods have not been looked at" });
    for (const attempt of [
      () => ipam.autoAssign(addressRequest("net.x")),
      () => ipam.assignAddress({ ...addressRequest("net.x"), address: IpAddress.parse("10.0.0.2") }),
      () => ipam.ensureBlock(4),
    ])
      await expect(attempt()).rejects.toMatchObject({ code: "NOT_AUDITED" });
    const asserted = { address: IpAddress.parse("10.0.0.2"), handleId: "net.a", attributes: {} };
    expect(`${(await ipam.assertAddress(asserted)).address}`).toBe("10.0.0.2");
    await expect(ipam.assertAddress({ ...asserted, handleId: "net.c" })).rejects.toMatchObject({
      code: "ADDRESS_IN_USE",
    });
  });
});

describe("a block that lost its last address", () => {
  it("is given back at once if its pool does not select the node any more", async () => {
    const ipam = ipamNode(store, "a", pools);
    await ipam.autoAssign(addressRequest("net.x"));
    const left = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29, nodeSelector: "rack == 'r'" })];
    await ipamNode(store, "a", left).releaseByHandle("net.x");
    expect((await store.list("/calico/")).items).toEqual([]);
  });
});

describe("a release", () => {
  it("that names an address twice counts it once", async () => {
    const ipam = ipamNode(store, "a", pools);
    const [first] = (await ipam.autoAssign(addressRequest("net.x", 3))).ipv4;
    if (first === undefined) throw new Error("no address");
    expect(await ipam.releaseAddresses([{ address: first.address }, { address: first.address }])).toHaveLength(1);
    expect(await ipam.addressesByHandle("net.x")).toHaveLength(2);
  });
});
