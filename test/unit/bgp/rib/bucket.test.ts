import { describe, expect, it } from "vitest";
import { AdjRibOut } from "../../../../src/bgp/rib/adj-rib-out.ts";
import { AttributeTable } from "../../../../src/bgp/rib/attribute-table.ts";
import { BucketTable } from "../../../../src/bgp/rib/bucket.ts";
import { addressOf, attributesOf, via } from "../../../support/bgp.ts";

const recipient = (number: number) => ({ name: `peer-${number}`, address: addressOf(`10.0.0.${number}`) });

const asIs = (attributes: number) => ({ attributes, form: 0, originator: 0 });

describe("the buckets of all groups", () => {
  it("are one number per content while somebody holds them, and give their attributes back after the last", () => {
    const attributes = new AttributeTable();
    const table = new BucketTable(attributes);
    const plain = attributes.take(attributesOf());
    const bucket = table.take(asIs(plain), via("10.0.0.1"), "peer-1");
    expect(table.take(asIs(plain), via("10.0.0.1"), "peer-1")).toBe(bucket);
    expect(table.take(asIs(plain), via("10.0.0.1"), "peer-2")).not.toBe(bucket);
    expect(table.take(asIs(plain), via("10.0.0.2"), "peer-1")).not.toBe(bucket);
    table.release(bucket);
    expect(table.take(asIs(plain), via("10.0.0.1"), "peer-1")).toBe(bucket);
    expect(table.sourceOf(bucket)).toBe("peer-1");
    for (const held of [bucket, bucket]) table.release(held);
    const other = attributes.take(attributesOf([65001]));
    const only = table.take(asIs(other), via("10.0.0.1"), undefined);
    attributes.release(other);
    expect(attributes.size).toBe(2);
    table.release(only);
    expect(attributes.size).toBe(1);
  });

  it("count a route once for a peer that is both its source and its next hop", () => {
    const attributes = new AttributeTable();
    const table = new BucketTable(attributes);
    const out = new AdjRibOut(table);
    const plain = attributes.take(attributesOf());
    out.replace(0, table.take(asIs(plain), via("10.0.0.1"), "peer-1"));
    out.replace(7, table.take(asIs(plain), via("10.0.0.2"), "peer-1"));
    out.replace(-3, table.take(asIs(plain), via("10.0.0.3"), undefined));
    expect([1, 2, 3, 4].map((number) => out.countFor(recipient(number)))).toEqual([1, 2, 2, 3]);
    table.release(out.replace(7, 0));
    expect([1, 2, 3, 4].map((number) => out.countFor(recipient(number)))).toEqual([1, 2, 1, 2]);
    out.clear();
    expect([out.size, out.countFor(recipient(1))]).toEqual([0, 0]);
  });
});
