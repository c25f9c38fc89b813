import { describe, expect, it } from "vitest";
import { blockOrder, fnv1 } from "../../../src/ipam/block-order.ts";
import { Prefix } from "../../../src/net/prefix.ts";

/** Hosts, their hash as Calico computes it, and the block of 1,024, 256 and 4 that they try first. */
const hosts = [
  ["node1", 3957252814, [110, 110, 2]],
  ["node-1", 568266919, [344, 88, 0]],
  ["node-2", 568266916, [170, 170, 2]],
  ["worker-0", 2999756864, [596, 84, 0]],
  ["ip-10-0-1-17.ec2.internal", 1062995691, [47, 47, 3]],
  ["kind-control-plane", 2016776422, [618, 106, 2]],
  ["host-a", 1258779341, [342, 86, 2]],
  ["host-b", 1258779342, [770, 2, 2]],
  ["", 2166136261, [11, 11, 3]],
] as const;
const pool = Prefix.parse("10.0.0.0/16");
const order = (host: string, length: number, random = () => 0.5) => [...blockOrder(pool, length, host, random)];

describe("the order in which a node tries blocks", () => {
  it.each(hosts)("starts from the hash of %j that Calico has, too", (host, hash) => {
    expect(fnv1(host)).toBe(hash);
  });

  // A node that is updated must go on to prefer the blocks that it has preferred so far.
  it.each(hosts)("never changes for %j", (host, _, starts) => {
    const first = [26, 24, 18].map((length) => {
      const [block] = order(host, length);
      return ((block?.address.w0 ?? 0) - pool.address.w0) / 2 ** (32 - length);
    });
    expect(first).toEqual(starts);
  });

  it("goes around the pool once", () => {
    const blocks = order("worker-0", 24);
    expect(new Set(blocks.map(String)).size).toBe(256);
    const numbers = blocks.map(({ address }) => (address.w0 - pool.address.w0) / 256);
    expect(numbers.every((number, index) => index === 0 || number === ((numbers[index - 1] ?? 0) + 1) % 256)).toBe(
      true,
    );
  });

  it("starts anywhere where a block is one address", () => {
    expect(order("worker-0", 32, () => 0.25)[0]?.toString()).toBe("10.0.64.0/32");
  });
});
