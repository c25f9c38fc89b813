import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Clock, systemClock } from "../../../src/core/clock.ts";
import { silentLogger } from "../../../src/core/logger.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { Ipam, type IpamOptions } from "../../../src/ipam/ipam.ts";
import { affinityKey, blockKey, handleKey } from "../../../src/ipam/keys.ts";
import type { IpamPool } from "../../../src/ipam/pool-selection.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, remove, write } from "../../conformance/datastore-helpers.ts";
import { type Fault, faultyDatastore } from "../../support/faulty-datastore.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

const CONFIG_KEY = "/calico/ipam/v2/config";
let store: Datastore;
let dispose: () => Promise<void>;
let pools: IpamPool[];
let nowMs: number;
const clock: Clock = { ...systemClock, wallMs: () => nowMs };

beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  pools = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29 }), ipamPool("v6", "fd00::/123", { blockSize: 125 })];
  nowMs = Date.parse("2026-01-02T03:04:05Z");
});
afterEach(async () => {
  expect((await auditIpam(store)).problems).toEqual([]);
  await dispose();
});

function node(nodeName: string, options: Partial<IpamOptions> = {}): Ipam {
  const fixed = { datastore: store, clock, random: Math.random, logger: silentLogger };
  return new Ipam({ ...fixed, nodeName, pools: () => pools, nodeLabels: () => ({}), ...options });
}

const request = (handleId: string, count4 = 1, count6 = 0) =>
  ({ handleId, attributes: { node: "a" }, count4, count6, intendedUse: "Workload" }) as const;
const allocated = async () => (await auditIpam(store)).allocations;
const configure = (config: string) => write(store, put(CONFIG_KEY, config));

describe("autoAssign", () => {
  it("gives both families, under one handle, from blocks that are the node's own", async () => {
    const ipam = node("a");
    const { ipv4, ipv6 } = await ipam.autoAssign(request("net.x", 2, 1));
    expect([ipv4.length, ipv6.length]).toEqual([2, 1]);
    expect(ipv4.every(({ address, block }) => block.containsAddress(address) && block.length === 29)).toBe(true);
    expect(await ipam.ownBlocks()).toEqual([ipv4[0]?.block, ipv6[0]?.block]);
    expect(await ipam.addressesByHandle("net.x")).toEqual([...ipv4, ...ipv6]);
    const key = affinityKey("a", ipv4[0]?.block ?? Prefix.parse("::/0"));
    expect((await store.get(key)).item?.value).toBe('{"state":"confirmed","deleted":false}');
    expect((await store.get(handleKey("net.x"))).item?.value).toBe(
      `{"block":{"${ipv4[0]?.block}":2,"${ipv6[0]?.block}":1},"deleted":false}`,
    );
  });

  it("uses up a block before it claims another, and serves calls at the same time", async () => {
    const ipam = node("a");
    const given = await Promise.all(Array.from({ length: 16 }, (_, index) => ipam.autoAssign(request(`net.${index}`))));
    expect(new Set(given.map(({ ipv4 }) => `${ipv4[0]?.address}`)).size).toBe(16);
    expect(await ipam.ownBlocks()).toHaveLength(2);
  });

  it("gives all or nothing, of either family", async () => {
    await expect(node("a").autoAssign(request("net.x", 33))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    await expect(node("a").autoAssign(request("net.x", 1, 33))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    expect((await allocated()).size).toBe(0);
    expect((await store.get(handleKey("net.x"))).item).toBeUndefined();
  });

  it("stops at the limit of blocks and says how to raise it", async () => {
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true,"maxBlocksPerHost":2}');
    const ipam = node("a");
    await ipam.autoAssign(request("net.x", 16));
    const error = await ipam.autoAssign(request("net.y")).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "BLOCK_LIMIT", details: { limit: 2 } });
    expect(`${error}`).toContain("limit of 2 blocks reached for this node");
    expect(`${error}`).toContain("strict affinity enabled");
  });

  it("borrows from other nodes' blocks when the pool is used up, unless affinity is strict", async () => {
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true}');
    for (const name of ["a", "b", "c", "d"]) await node(name).autoAssign(request(`net.${name}`, 7));
    await expect(node("e").autoAssign(request("net.e"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    await configure('{"auto_allocate_blocks":true}');
    expect((await node("e").autoAssign(request("net.e", 4))).ipv4).toHaveLength(4);
    await expect(node("e").autoAssign(request("net.f"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    expect(await node("e").ownBlocks()).toEqual([]);
  });

  it("claims no block on its own when that is switched off", async () => {
    await configure('{"strict_affinity":true}');
    await expect(node("a").autoAssign(request("net.x"))).rejects.toMatchObject({ code: "BLOCK_LIMIT" });
  });

  it("takes over empty blocks of other nodes once they are a minute old, and not before", async () => {
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true}');
    for (const name of ["a", "b", "c", "d"]) await node(name).ensureBlock(4);
    await expect(node("e").autoAssign(request("net.e"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    nowMs += 60_000;
    const { ipv4 } = await node("e").autoAssign(request("net.e"));
    expect(await node("e").ownBlocks()).toEqual([ipv4[0]?.block]);
    const left = await Promise.all(["a", "b", "c", "d"].map((name) => node(name).ownBlocks()));
    expect(left.flat()).toHaveLength(3);
  });

  it("gives an empty block back when its pool does not select the node any more", async () => {
    const block = await node("a").ensureBlock(4);
    pools = [
      ipamPool("v4", "10.0.0.0/27", { blockSize: 29, nodeSelector: "rack == 'r'" }),
      ipamPool("new", "10.1.0.0/26"),
    ];
    const { ipv4 } = await node("a").autoAssign(request("net.x"));
    expect(`${ipv4[0]?.block}`).toBe("10.1.0.0/26");
    expect((await store.get(blockKey(block))).item).toBeUndefined();
  });

  it("chooses pools by name, selectors, use and request", async () => {
    pools = [
      ipamPool("z", "10.9.0.0/26"),
      ipamPool("off", "10.1.0.0/26", { disabled: true }),
      ipamPool("manual", "10.2.0.0/26", { assignmentMode: "Manual" }),
      ipamPool("rack", "10.3.0.0/26", { nodeSelector: "rack == 'r'" }),
      ipamPool("shop", "10.4.0.0/26", { namespaceSelector: "team == 'shop'", allowedUses: ["Workload"] }),
      ipamPool("tunnels", "10.5.0.0/26", { allowedUses: ["Tunnel"] }),
    ];
    const blockFor = async (handle: string, options: Partial<Parameters<Ipam["autoAssign"]>[0]>, labels = {}) => {
      const ipam = node(handle, { nodeLabels: () => labels });
      return `${(await ipam.autoAssign({ ...request(`net.${handle}`), ...options })).ipv4[0]?.block}`;
    };
    expect(await blockFor("plain", {})).toBe("10.9.0.0/26");
    expect(await blockFor("rack", {}, { rack: "r" })).toBe("10.3.0.0/26");
    expect(await blockFor("shop", { namespaceLabels: { team: "shop" } })).toBe("10.4.0.0/26");
    expect(await blockFor("tunnel", { intendedUse: "Tunnel" })).toBe("10.5.0.0/26");
    expect(await blockFor("asked", { requestedPools: [Prefix.parse("10.2.0.0/26")] })).toBe("10.2.0.0/26");
    const ipam = node("a");
    const cases = [
      [
        { requestedPools: [Prefix.parse("10.1.0.0/26")] },
        "POOL_NOT_ENABLED",
        "the given pool (10.1.0.0/26) does not exist",
      ],
      [{ intendedUse: "LoadBalancer" }, "NO_POOL", "cannot find a qualified ippool"],
      [{ count4: 0, count6: 1 }, "NO_POOL", "no configured Calico pools for node a"],
    ] as const;
    for (const [options, code, message] of cases) {
      const error = await ipam.autoAssign({ ...request("net.e"), ...options }).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code });
      expect(`${error}`).toContain(message);
    }
  });

  it("counts right when several nodes work on one handle at the same time", async () => {
    const names = ["a", "b", "c", "d"];
    await Promise.all(names.map((name) => node(name).ensureBlock(4)));
    await Promise.all(names.map((name) => node(name).autoAssign(request("net.shared", 2))));
    expect((await node("a").addressesByHandle("net.shared")).map(({ block }) => `${block}`)).toHaveLength(8);
    expect((await auditIpam(store)).problems).toEqual([]);
    await Promise.all(names.map((name) => node(name).releaseByHandle("net.shared")));
    expect((await allocated()).size).toBe(0);
  });

  it("refuses a handle id that nobody could release again, and takes nothing", async () => {
    await expect(node("a").autoAssign(request("net/x"))).rejects.toMatchObject({ code: "INVALID_HANDLE" });
    expect((await allocated()).size).toBe(0);
  });
});

describe("assignAddress", () => {
  const ask = (ipam: Ipam, text: string, handleId: string) =>
    ipam.assignAddress({ address: IpAddress.parse(text), handleId, attributes: {} });

  it("claims the block of a free address, and gives the same handle the same address again", async () => {
    const ipam = node("a");
    const given = await ask(ipam, "10.0.0.13", "net.x");
    expect(`${given.block}`).toBe("10.0.0.8/29");
    expect(await ipam.ownBlocks()).toEqual([given.block]);
    expect(await ask(node("a"), "10.0.0.13", "net.x")).toEqual(given);
    expect([...(await allocated())]).toEqual([["10.0.0.13", "net.x"]]);
  });

  it("says who has an address, and that one is in no pool", async () => {
    await ask(node("a"), "10.0.0.13", "net.x");
    const taken = { code: "ADDRESS_IN_USE", details: { address: "10.0.0.13", handleId: "net.x" } };
    await expect(ask(node("b"), "10.0.0.13", "net.y")).rejects.toMatchObject(taken);
    await expect(ask(node("b"), "10.7.0.1", "net.y")).rejects.toMatchObject({ code: "ADDRESS_NOT_IN_POOL" });
  });

  it("borrows from another node's block unless affinity is strict", async () => {
    await ask(node("a"), "10.0.0.13", "net.x");
    await ask(node("b"), "10.0.0.14", "net.y");
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true}');
    await expect(ask(node("b"), "10.0.0.15", "net.z")).rejects.toMatchObject({ code: "STRICT_AFFINITY" });
    expect(await node("b").ownBlocks()).toEqual([]);
  });
});

describe("release", () => {
  it("by handle frees everything that the handle has, once", async () => {
    const ipam = node("a");
    const given = await ipam.autoAssign(request("net.x", 9, 1));
    await ipam.autoAssign(request("net.y"));
    const freed = await node("b").releaseByHandle("net.x");
    expect(freed.map(({ address }) => `${address}`).sort()).toEqual(
      [...given.ipv4, ...given.ipv6].map(({ address }) => `${address}`).sort(),
    );
    expect([...(await allocated()).values()]).toEqual(["net.y"]);
    expect(await ipam.releaseByHandle("net.x")).toEqual([]);
    expect(await ipam.addressesByHandle("net.x")).toEqual([]);
  });

  it("by address needs the right handle, if one is given, and returns what was taken", async () => {
    const ipam = node("a");
    const [first, second] = (await ipam.autoAssign(request("net.x", 2))).ipv4;
    if (first === undefined || second === undefined) throw new Error("no addresses");
    const wrong = ipam.releaseAddresses([{ address: first.address, handleId: "net.y" }]);
    await expect(wrong).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
    const stale = ipam.releaseAddresses([{ address: first.address, sequenceNumber: 1n }]);
    await expect(stale).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
    const outside = { address: IpAddress.parse("192.0.2.1") };
    expect(await ipam.releaseAddresses([{ address: first.address, handleId: "net.x" }, outside])).toEqual([first]);
    expect(await ipam.releaseAddresses([{ address: first.address }])).toEqual([]);
    expect([...(await allocated()).keys()]).toEqual([`${second.address}`]);
  });

  it("finds the block of an address whose pool is gone, and deletes a block that nobody owns with its last address", async () => {
    const [given] = (await node("a").autoAssign(request("net.x"))).ipv4;
    if (given === undefined) throw new Error("no address");
    const { item } = await store.get(blockKey(given.block));
    await write(
      store,
      put(blockKey(given.block), (item?.value ?? "").replace('"host:a"', "null")),
      remove(affinityKey("a", given.block)),
    );
    pools = [];
    expect(await node("b").releaseAddresses([{ address: given.address }])).toEqual([given]);
    expect((await store.get(blockKey(given.block))).item).toBeUndefined();
  });

  it("removes a handle that counts too many, as a writer that died may leave it", async () => {
    const block = await node("a").ensureBlock(4);
    await write(store, put(handleKey("net.x"), `{"block":{"${block}":3},"deleted":false}`));
    expect(await node("a").releaseByHandle("net.x")).toEqual([]);
    expect((await store.get(handleKey("net.x"))).item).toBeUndefined();
  });
});

describe("a claim that was cut short", () => {
  const block = Prefix.parse("10.0.0.0/29");
  const affinity = affinityKey("a", block);
  beforeEach(() => {
    pools = [ipamPool("one", "10.0.0.0/29", { blockSize: 29 })];
  });

  it.each(["crash-before", "crash-after", "unknown-before", "unknown-after"] as const)(
    "by a fault (%s) at any of its writes is completed by the next call, by this node or another",
    async (fault: Fault) => {
      for (let step = 0; step < 5; step++) {
        const faulty = node("a", { datastore: faultyDatastore(store, new Map([[step, fault]])) });
        const first = await faulty.autoAssign(request(`net.${step}`)).catch(() => undefined);
        if (fault.startsWith("unknown")) expect(first?.ipv4).toHaveLength(1);
        const again = await node("a").autoAssign(request(`net.again${step}`));
        expect(again.ipv4).toHaveLength(1);
        expect(await node("a").ownBlocks()).toEqual([block]);
        expect((await auditIpam(store)).problems).toEqual([]);
        await node("a").releaseByHandle(`net.${step}`);
        await node("a").releaseByHandle(`net.again${step}`);
        await write(store, remove(affinity), remove(blockKey(block)));
      }
    },
  );

  it("in whatever state the affinity is, ends as confirmed and with a block of a new sequence number", async () => {
    for (const state of ["pending", "pendingDeletion"]) {
      await node("a").ensureBlock(4);
      const before = (await store.get(blockKey(block))).item;
      await write(store, put(affinity, `{"state":"${state}","deleted":false}`));
      expect(await node("a").ownBlocks()).toEqual([]);
      await node("a").autoAssign(request(`net.${state}`));
      expect(await node("a").ownBlocks()).toEqual([block]);
      expect((await store.get(blockKey(block))).item?.version).toBe((before?.version ?? 0n) + 2n);
    }
  });

  it("is dropped if another node owns the block", async () => {
    await node("b").autoAssign(request("net.b"));
    await write(store, put(affinity, '{"state":"pending","deleted":false}'));
    await configure('{"strict_affinity":true,"auto_allocate_blocks":true}');
    await expect(node("a").autoAssign(request("net.a"))).rejects.toMatchObject({ code: "POOL_EXHAUSTED" });
    expect((await store.get(affinity)).item).toBeUndefined();
  });

  it("of a confirmed affinity without a block is done again", async () => {
    await write(store, put(affinity, '{"state":"confirmed","deleted":false}'));
    expect((await node("a").autoAssign(request("net.a"))).ipv4).toHaveLength(1);
  });
});
