import { describe, expect, it } from "vitest";
import {
  allocate,
  allocateAddress,
  type Block,
  collect,
  disowned,
  handleOf,
  isEmpty,
  isTaken,
  newBlock,
  ordinalsOfHandle,
  release,
} from "../../../src/ipam/block.ts";
import { blockOrder } from "../../../src/ipam/block-order.ts";
import { encodeBlock } from "../../../src/ipam/codec.ts";
import { affinityKey, blockKey, handleKey, parseAffinityKey } from "../../../src/ipam/keys.ts";
import { IpAddress } from "../../../src/net/address.ts";
import { Prefix } from "../../../src/net/prefix.ts";
import { blockProblems } from "../../support/ipam-audit.ts";

const NOW = Date.parse("2026-01-02T03:04:05.678Z");
const pod = (name: string) => ({ handleId: `net.${name}`, attributes: { pod: name, node: "a" } });
const fresh = () => newBlock(Prefix.parse("10.0.0.8/30"), "a", NOW);
const fill = (...names: string[]) => names.reduce<Block>((block, name) => allocate(block, 1, pod(name)).block, fresh());

describe("a block", () => {
  it("starts free, with the sequence number of its nanosecond", () => {
    expect(encodeBlock(fresh())).toBe(
      '{"cidr":"10.0.0.8/30","affinity":"host:a","affinity_claim_time":"2026-01-02T03:04:05Z","allocations":[null,null,null,null],"unallocated":[0,1,2,3],"attributes":null,"sequenceNumber":1767323045678000000,"sequenceNumberForAllocation":{},"deleted":false}',
    );
  });

  it("hands out the longest free address, shares attributes, and notes the sequence number before the write", () => {
    const first = allocate(fresh(), 2, pod("x"));
    expect(first.addresses.map(String)).toEqual(["10.0.0.8", "10.0.0.9"]);
    expect(first.block.attributes).toEqual([{ handle_id: "net.x", secondary: { node: "a", pod: "x" } }]);
    expect(first.block.allocationSequence.get(1)).toBe(fresh().sequenceNumber);
    expect(first.block.sequenceNumber).toBe(fresh().sequenceNumber + 1n);
    const second = allocate(first.block, 5, pod("y"));
    expect(second.addresses.map(String)).toEqual(["10.0.0.10", "10.0.0.11"]);
    expect(allocate(second.block, 1, pod("z"))).toEqual({ block: second.block, addresses: [] });
    expect(blockProblems(second.block)).toEqual([]);
  });

  it("uses a freed address last, and drops its attributes and sequence number", () => {
    const block = release(fill("x", "y"), [0], NOW, 0);
    expect(block.unallocated).toEqual([2, 3, 0]);
    expect(block.attributes).toEqual([{ handle_id: "net.y", secondary: { node: "a", pod: "y" } }]);
    expect(block.allocations).toEqual([null, 0, null, null]);
    expect([...block.allocationSequence.keys()]).toEqual([1]);
    expect(blockProblems(block)).toEqual([]);
    expect(encodeBlock(release(block, [1], NOW, 0))).toContain('"attributes":[]');
  });

  it("keeps a released address out of use for the cooldown, owned by nobody", () => {
    const cooling = release(fill("x"), [0], NOW, 30);
    expect(cooling.attributes).toEqual([{ releasedAt: "2026-01-02T03:04:05Z" }]);
    expect([isTaken(cooling, 0), handleOf(cooling, 0), isEmpty(cooling)]).toEqual([false, undefined, false]);
    expect(allocateAddress(cooling, IpAddress.parse("10.0.0.8"), pod("y"))).toBeUndefined();
    expect(collect(cooling, NOW + 29_000, 30)).toBe(cooling);
    const warm = collect(cooling, NOW + 30_000, 30);
    expect(warm.unallocated).toEqual([1, 2, 3, 0]);
    expect(isEmpty(warm)).toBe(true);
    expect(blockProblems(warm)).toEqual([]);
  });

  it("never hands out an address that a broken writer left in both lists", () => {
    const broken = { ...fill("x"), unallocated: [0, 1, 2, 3] };
    expect(allocate(broken, 1, pod("y")).addresses.map(String)).toEqual(["10.0.0.9"]);
    expect(allocateAddress(broken, IpAddress.parse("10.0.0.8"), pod("y"))).toBeUndefined();
  });

  it("finds addresses by handle, also where an old writer has appended to it", () => {
    const old = { ...fill("x"), attributes: [{ handle_id: "net.x\r\neth0" }] };
    expect(ordinalsOfHandle(old, "net.x")).toEqual([0]);
  });

  it("loses owner and claim time together", () => {
    expect(encodeBlock(disowned(fresh()))).toMatch(/"affinity":null,"allocations"/);
  });
});

describe("keys", () => {
  it("are Calico's", () => {
    expect(blockKey(Prefix.parse("10.244.7.64/29"))).toBe("/calico/ipam/v2/assignment/ipv4/block/10.244.7.64-29");
    const key = "/calico/ipam/v2/host/node-1.example/ipv6/block/fd00:10:244:0:7::-122";
    const block = Prefix.parse("fd00:10:244:0:7::/122");
    expect(affinityKey("node-1.example", block)).toBe(key);
    expect(parseAffinityKey(key)).toEqual({ node: "node-1.example", block });
    expect(handleKey("k8s-pod-network.9f3b")).toBe("/calico/ipam/v2/handle/k8s-pod-network.9f3b");
  });

  it("that are no affinities are not taken for some", () => {
    for (const rest of [
      "a",
      "a/ipv4/block/10.0.0.0-99",
      "a/ipv6/block/10.0.0.0-26",
      "/ipv4/block/10.0.0.0-26",
      "a/ipv4/x/10.0.0.0-26",
    ])
      expect(parseAffinityKey(`/calico/ipam/v2/host/${rest}`)).toBeUndefined();
  });

  it.each(["", "a/b", "a\r\neth0", "a\0"])("refuse the handle id %j", (handleId) => {
    expect(() => handleKey(handleId)).toThrowError(expect.objectContaining({ code: "INVALID_HANDLE" }));
  });
});

describe("the order of blocks", () => {
  const order = (node: string) => [...blockOrder(Prefix.parse("10.0.0.0/24"), 28, node, () => 0)].map(String);

  it("has every block once, always the same for a node, and starts elsewhere for another", () => {
    const blocks = order("node-1");
    expect(new Set(blocks).size).toBe(16);
    expect(blocks).toEqual(order("node-1"));
    const starts = new Set(Array.from({ length: 12 }, (_, index) => order(`node-${index}`)[0]));
    expect(starts.size).toBeGreaterThan(5);
  });

  it("starts at random for blocks of one address, and works in a pool of more blocks than can be counted", () => {
    const first = (random: number) => blockOrder(Prefix.parse("10.0.0.0/24"), 32, "n", () => random).next().value;
    expect([first(0), first(0.5)].map(String)).toEqual(["10.0.0.0/32", "10.0.0.128/32"]);
    const huge = blockOrder(Prefix.parse("fd00::/48"), 122, "n", () => 0).next().value;
    expect(Prefix.parse("fd00::/48").contains(huge ?? Prefix.parse("::/0"))).toBe(true);
  });
});
