import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../../src/core/clock.ts";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { IpamAdministration } from "../../../src/ipam/administration.ts";
import { affinityKey, blockKey, handleKey, nodeMarkerKey } from "../../../src/ipam/keys.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, remove, write } from "../../conformance/datastore-helpers.ts";
import { auditIpam } from "../../support/ipam-audit.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
let administration: IpamAdministration;
const pools = [ipamPool("v4", "10.0.0.0/27", { blockSize: 29 }), ipamPool("v6", "fd00::/123", { blockSize: 125 })];
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
  administration = new IpamAdministration({
    datastore: store,
    clock: systemClock,
    random: Math.random,
    pools: () => pools,
  });
});
afterEach(async () => {
  expect((await auditIpam(store)).problems).toEqual([]);
  await dispose();
});

const node = (name: string) => ipamNode(store, name, pools);
const [first, second] = [Prefix.parse("10.0.0.0/29"), Prefix.parse("10.0.0.8/29")];
const addressOf = (block: Prefix) => ({ address: block.address, handleId: "net.x", attributes: { node: "a" } });

describe("a node that is removed", () => {
  it("owns nothing any more, of either family, and what its blocks hold stays", async () => {
    await node("a").autoAssign(addressRequest("net.x", 9, 1));
    await node("b").ensureBlock(4);
    await write(store, put(nodeMarkerKey("a"), ""));
    const outcome = await administration.releaseNode("a", { onlyEmpty: false });
    expect(outcome.done).toHaveLength(3);
    expect(outcome.left).toEqual([]);
    expect(await node("a").ownBlocks()).toEqual([]);
    expect(await node("b").ownBlocks()).toHaveLength(1);
    expect((await auditIpam(store)).allocations.size).toBe(10);
    expect((await store.get(nodeMarkerKey("a"))).item).toBeUndefined();
    await administration.releaseHandle("net.x");
    expect((await store.list("/calico/ipam/v2/assignment/")).items).toHaveLength(1);
  });

  it("keeps what is in use if that is asked for, and its marker", async () => {
    await node("a").assignAddress(addressOf(first));
    await node("a").assignAddress({ ...addressOf(second), handleId: "net.y" });
    await node("a").releaseByHandle("net.x");
    await write(store, put(nodeMarkerKey("a"), ""));
    const outcome = await administration.releaseNode("a", { onlyEmpty: true });
    expect(outcome).toEqual({ done: [first], left: [second] });
    expect((await store.get(nodeMarkerKey("a"))).item).toBeDefined();
  });

  it("loses also a block to which it has no affinity, and affinities to blocks that are others'", async () => {
    await node("a").assignAddress(addressOf(first));
    await write(store, remove(affinityKey("a", first)));
    await node("b").assignAddress({ ...addressOf(second), handleId: "net.y" });
    await write(store, put(affinityKey("a", second), '{"state":"pending","deleted":false}'));
    await administration.releaseNode("a", { onlyEmpty: false });
    expect((await store.get(blockKey(first))).item?.value).toContain('"affinity":null');
    expect((await store.get(affinityKey("a", second))).item).toBeUndefined();
    expect(await node("b").ownBlocks()).toEqual([second]);
  });
});

describe("a range", () => {
  it("that is given up belongs to nobody, whoever had blocks in it", async () => {
    await node("a").assignAddress(addressOf(first));
    await node("b").assignAddress({ ...addressOf(second), handleId: "net.y" });
    await node("b").autoAssign(addressRequest("net.z", 0, 1));
    const { done } = await administration.releaseRange(Prefix.parse("10.0.0.0/27"), { onlyEmpty: false });
    expect(done.map(String).sort()).toEqual([`${first}`, `${second}`]);
    expect(await node("a").ownBlocks()).toEqual([]);
    expect((await node("b").ownBlocks()).map(({ family }) => family)).toEqual([6]);
  });

  it("that is claimed for a node is its own as far as nobody had it", async () => {
    await node("b").assignAddress(addressOf(second));
    const outcome = await administration.claimRange(Prefix.parse("10.0.0.0/28"), "a");
    expect(outcome).toEqual({ done: [first], left: [second] });
    expect(await node("a").ownBlocks()).toEqual([first]);
  });

  it.each([
    ["10.7.0.0/29", "ADDRESS_NOT_IN_POOL"],
    ["10.0.0.0/30", "INVALID_RANGE"],
  ])("that is none of a pool's blocks (%s) is not claimed", async (range, code) => {
    await expect(administration.claimRange(Prefix.parse(range), "a")).rejects.toMatchObject({ code });
  });
});

describe("a block", () => {
  it("changes its owner at once, with all its addresses", async () => {
    await node("old-name").assignAddress(addressOf(first));
    expect(await administration.reassignBlock(first, "new-name")).toEqual({ from: "old-name" });
    expect(await node("old-name").ownBlocks()).toEqual([]);
    expect(await node("new-name").ownBlocks()).toEqual([first]);
    expect((await auditIpam(store)).allocations.size).toBe(1);
    expect(await administration.reassignBlock(first, "new-name")).toEqual({ from: "new-name" });
    const { ipv4 } = await node("new-name").autoAssign(addressRequest("net.y"));
    expect(ipv4[0]?.block).toEqual(first);
  });

  it("that is not there, or nobody's, is not reassigned", async () => {
    await expect(administration.reassignBlock(first, "a")).rejects.toMatchObject({ code: "BLOCK_NOT_FOUND" });
    await node("a").assignAddress(addressOf(first));
    await administration.releaseBlock("a", first, { onlyEmpty: false });
    await expect(administration.reassignBlock(first, "a")).rejects.toMatchObject({ code: "BLOCK_NOT_FOUND" });
  });
});

describe("an address", () => {
  it("is described by its allocation, released by its sequence number, and free then", async () => {
    await node("a").assignAddress(addressOf(first));
    const found = await administration.describeAddress(first.address);
    expect(found).toMatchObject({ handleId: "net.x", node: "a", isBorrowed: false });
    const { sequenceNumber = 0n } = found ?? {};
    const stale = administration.release([{ address: first.address, sequenceNumber: sequenceNumber + 1n }]);
    await expect(stale).rejects.toMatchObject({ code: "ADDRESS_IN_USE" });
    expect(await administration.release([{ address: first.address, sequenceNumber }])).toHaveLength(1);
    expect(await administration.describeAddress(first.address)).toBeUndefined();
    expect(await administration.describeAddress(IpAddress.parse("192.0.2.1"))).toBeUndefined();
  });
});

describe("a handle that counts wrong", () => {
  it.each([5, 1])("(%i) is corrected to what it has", async (counted) => {
    const { ipv4 } = await node("a").autoAssign(addressRequest("net.x", 3));
    const block = ipv4[0]?.block ?? first;
    await write(store, put(handleKey("net.x"), `{"block":{"${block}":${counted}},"deleted":false}`));
    expect(await administration.correctHandle("net.x")).toBe(true);
    expect(await administration.correctHandle("net.x")).toBe(false);
  });

  it("because it is missing is made again", async () => {
    const { ipv4 } = await node("a").autoAssign(addressRequest("net.x", 3));
    await write(store, remove(handleKey("net.x")));
    expect(await administration.recount("net.x", ipv4[0]?.block ?? first)).toBe(true);
  });

  it("and has nothing is removed", async () => {
    await write(store, put(handleKey("net.x"), `{"block":{"${first}":2},"deleted":false}`));
    expect(await administration.correctHandle("net.x")).toBe(true);
    expect((await store.get(handleKey("net.x"))).item).toBeUndefined();
  });
});
