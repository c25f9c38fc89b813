import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Datastore } from "../../../src/datastore/datastore.ts";
import { allocationsOf } from "../../../src/ipam/allocations.ts";
import { blockKey, CONFIG_KEY, handleKey } from "../../../src/ipam/keys.ts";
import { Reservations } from "../../../src/ipam/reservations.ts";
import { surveyIpam } from "../../../src/ipam/survey.ts";
import { utilizationOf } from "../../../src/ipam/utilization.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { put, write } from "../../conformance/datastore-helpers.ts";
import { addressRequest, ipamNode } from "../../support/ipam-node.ts";
import { ipamPool } from "../../support/ipam-pools.ts";
import { temporaryStore } from "../../support/temporary-store.ts";

let store: Datastore;
let dispose: () => Promise<void>;
beforeEach(async () => {
  ({ store, dispose } = await temporaryStore());
});
afterEach(() => dispose());
const pools = [ipamPool("v4", "10.0.0.0/28", { blockSize: 29 }), ipamPool("v6", "fd00::/123", { blockSize: 125 })];

describe("a survey", () => {
  it("finds all there is, and names what can't be read", async () => {
    const { ipv4 } = await ipamNode(store, "a", pools).autoAssign(addressRequest("net.x", 2, 1));
    const block = ipv4[0]?.block ?? Prefix.parse("::/0");
    await write(store, put(blockKey(Prefix.parse("10.9.0.0/29")), "{"), put(CONFIG_KEY, '{"strict_affinity":true}'));
    await write(store, put(handleKey("net.y"), '{"block":{"10.0.0.0/29":"many"}}'));
    const survey = await surveyIpam(store);
    expect(survey.blocks.map(({ cidr }) => cidr.family)).toEqual([4, 6]);
    expect(survey.affinities).toContainEqual({ node: "a", block, state: "confirmed" });
    expect([...survey.handles.keys()]).toEqual(["net.x"]);
    expect(survey.handles.get("net.x")?.revision).toBe((await store.get(handleKey("net.x"))).item?.modRevision);
    expect(survey.config).toMatchObject({ strictAffinity: true, autoAllocateBlocks: false });
    expect(survey.unreadable).toHaveLength(2);
    expect(survey.unreadable.join("\n")).toContain("10.9.0.0-29");
  });

  it("tells of each allocation who has it, whether it is borrowed, and whether it cools down", async () => {
    await write(store, put(CONFIG_KEY, '{"auto_allocate_blocks":true,"ipCooldownSeconds":600}'));
    const a = ipamNode(store, "a", [ipamPool("v4", "10.0.0.0/29", { blockSize: 29 })]);
    await a.autoAssign({ ...addressRequest("net.x"), attributes: { node: "a", namespace: "shop", pod: "web" } });
    const address = IpAddress.parse("10.0.0.5");
    await a.assignAddress({ address, handleId: "net.y", attributes: { node: "b", type: "ipipTunnelAddress" } });
    await a.autoAssign(addressRequest("net.z"));
    await a.releaseByHandle("net.z");
    const [block] = (await surveyIpam(store)).blocks;
    const found = block === undefined ? [] : allocationsOf(block);
    expect(found.map(({ address }) => `${address}`)).toEqual(["10.0.0.0", "10.0.0.1", "10.0.0.5"]);
    const [pod, cooling, tunnel] = found;
    expect(pod).toMatchObject({ handleId: "net.x", node: "a", isBorrowed: false, coolingDown: false });
    expect(pod?.attributes).toEqual({ node: "a", namespace: "shop", pod: "web" });
    expect(cooling).toMatchObject({ coolingDown: true, isBorrowed: false, attributes: {} });
    expect(cooling).not.toHaveProperty("handleId");
    expect(tunnel).toMatchObject({ node: "b", isBorrowed: true });
  });
});

describe("utilization", () => {
  it("counts what is in use, reserved, and neither, per pool and per block, and blocks outside of all pools", async () => {
    const [v4, v6] = pools;
    if (v4 === undefined || v6 === undefined) throw new Error("no pools");
    const ipam = ipamNode(store, "a", pools);
    for (const text of ["10.0.0.0", "10.0.0.1"])
      await ipam.assignAddress({ address: IpAddress.parse(text), handleId: `net.${text}`, attributes: {} });
    await ipam.autoAssign(addressRequest("net.x", 0, 1));
    const reserved = new Reservations([Prefix.parse("10.0.0.1/32"), Prefix.parse("10.0.0.8/30")]);
    const { blocks } = await surveyIpam(store);
    const { pools: used, orphans } = utilizationOf(blocks, [v4], reserved);
    expect(used).toHaveLength(1);
    expect(used[0]).toMatchObject({ pool: "v4", capacity: 16, inUse: 2, reserved: 5, available: 10 });
    expect(used[0]?.blocks).toMatchObject([{ affinity: "host:a", capacity: 8, inUse: 2, reserved: 1, available: 6 }]);
    expect(orphans).toMatchObject([{ affinity: "host:a", capacity: 8, inUse: 1, reserved: 0, available: 7 }]);
  });
});
