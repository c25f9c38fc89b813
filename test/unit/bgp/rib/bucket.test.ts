import { describe, expect, it } from "vitest";
import { BucketTable } from "../../../../src/bgp/rib/bucket.ts";
import { addressOf, attributesOf, via } from "../../../support/bgp.ts";

const recipient = (number: number) => ({ name: `peer-${number}`, address: addressOf(`10.0.0.${number}`) });

describe("the buckets of a group", () => {
  it("are one object per content while routes are in them, and forgotten after the last", () => {
    const table = new BucketTable();
    const attributes = attributesOf();
    const bucket = table.take(attributes, via("10.0.0.1"), "peer-1");
    expect(table.take(attributes, via("10.0.0.1"), "peer-1")).toBe(bucket);
    expect(table.take(attributes, via("10.0.0.1"), "peer-2")).not.toBe(bucket);
    expect(table.take(attributes, via("10.0.0.2"), "peer-1")).not.toBe(bucket);
    table.release(bucket);
    expect(table.take(attributes, via("10.0.0.1"), "peer-1")).toBe(bucket);
    table.release(bucket);
    table.release(bucket);
    expect(table.take(attributes, via("10.0.0.1"), "peer-1")).not.toBe(bucket);
  });

  it("count a route once for a peer that is both its source and its next hop", () => {
    const table = new BucketTable();
    const attributes = attributesOf();
    table.take(attributes, via("10.0.0.1"), "peer-1");
    table.take(attributes, via("10.0.0.2"), "peer-1");
    table.take(attributes, via("10.0.0.3"), undefined);
    expect([1, 2, 3, 4].map((number) => table.countExcluded(recipient(number)))).toEqual([2, 1, 1, 0]);
  });
});
