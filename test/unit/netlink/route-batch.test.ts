import { describe, expect, test } from "vitest";
import { Prefix } from "../../../src/net/prefix.ts";
import { PrefixIndex } from "../../../src/net/prefix-index.ts";
import { readMessages } from "../../../src/netlink/codec/message.ts";
import { encodeRequest } from "../../../src/netlink/codec/request.ts";
import { RouteTemplates, requestOf } from "../../../src/netlink/codec/route-template.ts";
import { MessageWriter } from "../../../src/netlink/codec/writer.ts";
import { RouteBatch } from "../../../src/netlink/route-batch.ts";
import { SLICE_REQUESTS } from "../../../src/netlink/slices.ts";
import type { RouteShape } from "../../../src/netlink/types.ts";
import { nextHop, routeTo } from "./codec/samples.ts";

const shape = (fields: Parameters<typeof routeTo>[1] = {}): RouteShape => {
  const { destination: _, ...rest } = routeTo("10.0.0.0/8", fields);
  return rest;
};
const ipv4 = shape({ metric: 1024, nextHops: [nextHop("10.0.0.1")] });
const ipv6 = shape({ metric: 1024, mtu: 1400, nextHops: [nextHop("fd00::1")] });
const several = shape({ nextHops: [nextHop("10.0.0.1"), nextHop("10.0.0.2")] });

describe("RouteBatch", () => {
  const index = new PrefixIndex();
  const rowOf = (text: string): number => index.hold(Prefix.parse(text), 1);

  test("has the octets that each request has by itself, but for the last one's wish to be acknowledged", () => {
    const batch = new RouteBatch(index, new RouteTemplates(), 100);
    const entries = [
      ["route-add", "10.1.0.0/16", ipv4],
      ["route-add", "10.2.3.4/32", ipv4],
      ["route-replace", "10.2.3.0/24", ipv4],
      ["route-add", "0.0.0.0/0", ipv4],
      ["route-add", "fd00:1::/48", ipv6],
      ["route-add", "::/0", ipv6],
      ["route-delete", "fd00:1::5/128", ipv6],
      ["route-replace", "10.9.0.0/17", several],
      ["route-delete", "10.2.3.0/24", ipv4],
    ] as const;
    const writer = new MessageWriter();
    for (const [entry, [operation, prefix, of]] of entries.entries()) {
      batch.add(operation, rowOf(prefix), of);
      encodeRequest(writer, 100 + entry, requestOf(operation, Prefix.parse(prefix), of));
    }
    writer.acknowledgeLast();
    const { bytes, ...slice } = batch.finish();
    expect(Buffer.from(bytes).toString("hex")).toBe(Buffer.from(writer.finish()).toString("hex"));
    expect(slice).toMatchObject({ firstSequence: 100, lastSequence: 108, count: 9 });
    expect(batch.requests()).toEqual(entries.map(([operation, to, of]) => requestOf(operation, Prefix.parse(to), of)));
  });

  test("rejects what cannot be encoded, without shifting the others' numbers", () => {
    const batch = new RouteBatch(index, new RouteTemplates(), 7);
    batch.add("route-add", rowOf("10.1.0.0/16"), ipv4);
    batch.add("route-add", rowOf("10.2.0.0/16"), shape({ protocol: 1000 }));
    batch.add("route-add", rowOf("10.3.0.0/16"), ipv4);
    const { bytes, rejected } = batch.finish();
    expect([...readMessages(bytes)].map(({ sequence }) => sequence)).toEqual([7, 9]);
    expect([...rejected]).toEqual([[1, expect.objectContaining({ ok: false, code: "EINVAL" })]]);
  });

  test("is full at the size of a send, also if its routes have hundreds of next hops", () => {
    const batch = new RouteBatch(index, new RouteTemplates(), 1);
    while (!batch.isFull) batch.add("route-add", rowOf("10.1.0.0/16"), ipv4);
    expect(batch.count).toBe(SLICE_REQUESTS);
    const wide = new RouteBatch(index, new RouteTemplates(), 1);
    const hops = Array.from({ length: 250 }, (_, number) => nextHop(`10.0.0.${number}`));
    while (!wide.isFull) wide.add("route-add", rowOf("10.1.0.0/16"), shape({ nextHops: hops }));
    expect([...readMessages(wide.finish().bytes)]).toHaveLength(wide.count);
    expect(wide.count).toBeLessThan(SLICE_REQUESTS);
  });
});
