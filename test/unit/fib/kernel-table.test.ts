import { setImmediate } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { type ChangeCause, KernelTable } from "../../../src/fib/kernel-table.ts";
import { shapesIn } from "../../../src/fib/shapes.ts";
import { PrefixIndex } from "../../../src/net/prefix-index.ts";
import type { KernelRoute, RouteShape } from "../../../src/netlink/types.ts";
import { address, kernelRoute, prefix } from "./samples.ts";

const through = (destination: string, ...devices: readonly number[]): KernelRoute =>
  kernelRoute(destination, {
    nextHops: devices.map((interfaceIndex) => ({
      gateway: address(destination.includes(":") ? `fe80::${interfaceIndex}` : `10.1.0.${interfaceIndex}`),
      interfaceIndex,
      onlink: false,
      weight: 1,
    })),
  });

const everything = (): boolean => true;
let seen: { prefix: string; before: number; after: number; cause: ChangeCause }[];
let index: PrefixIndex;
let table: KernelTable;

beforeEach(() => {
  seen = [];
  index = new PrefixIndex();
  table = new KernelTable(index, (row, before, after, cause) => {
    const changed = index.prefixOf(row).toString();
    seen.push({ prefix: changed, before: shapesIn(before).length, after: shapesIn(after).length, cause });
  });
});

describe("events", () => {
  test("a replaced route takes the place of the one with its key, an appended one comes after it", () => {
    table.add(through("10.65.0.0/26", 2), false);
    table.add(through("10.65.0.0/26", 3), true);
    expect(table.at(prefix("10.65.0.0/26"))).toEqual([through("10.65.0.0/26", 3)]);
    table.add(through("10.65.0.0/26", 4), false);
    expect(table.at(prefix("10.65.0.0/26"))).toHaveLength(2);
  });

  test("the echo of a known route changes nothing", () => {
    table.add(through("10.65.0.0/26", 2), false);
    table.add(through("10.65.0.0/26", 2), true);
    expect(seen).toHaveLength(1);
  });

  test("an IPv6 route that another leg was appended to is one route", () => {
    table.add(through("fd00::/122", 2), false);
    table.add(through("fd00::/122", 2, 3), false);
    expect(table.at(prefix("fd00::/122"))).toEqual([through("fd00::/122", 2, 3)]);
  });

  test("a deletion names the route by its key and protocol where it differs otherwise", () => {
    table.add(through("10.65.0.0/26", 2), false);
    expect(table.remove({ ...through("10.65.0.0/26", 2), protocol: 4 })).toBe(true);
    expect(table.at(prefix("10.65.0.0/26"))).toHaveLength(1);
    table.remove({ ...through("10.65.0.0/26", 2), mtu: 1400 });
    expect(table.at(prefix("10.65.0.0/26"))).toEqual([]);
  });

  test("the loss of one leg of an IPv6 multipath route asks for a dump", () => {
    table.add(through("fd00::/122", 2, 3), false);
    expect(table.remove(through("fd00::/122", 2))).toBe(false);
  });
});

describe("a device that goes down", () => {
  test("takes along its IPv4 routes and no others", async () => {
    for (const route of [through("10.65.0.0/26", 2), through("10.65.1.0/26", 3), through("fd00::/122", 2)])
      table.add(route, false);
    expect(await table.dropDevice(2)).toBe(true);
    expect([...table.entries()].map(([held]) => held.toString())).toEqual(["10.65.1.0/26", "fd00::/122"]);
    expect(seen.at(-1)).toEqual({ prefix: "10.65.0.0/26", before: 1, after: 0, cause: "device" });
  });

  test("takes along a route whose gateway on it was replaced", async () => {
    table.add(through("10.65.0.0/26", 2), false);
    const other = kernelRoute("10.65.0.0/26", {
      nextHops: [{ gateway: address("10.1.0.9"), interfaceIndex: 2, onlink: false, weight: 1 }],
    });
    const { destination, ...shape } = other;
    table.write(index.find(destination), shape, true, "answer");
    expect(seen.at(-1)).toEqual({ prefix: "10.65.0.0/26", before: 1, after: 1, cause: "answer" });
    await table.dropDevice(2);
    expect(table.at(prefix("10.65.0.0/26"))).toEqual([]);
  });

  test("takes along no route that has been moved to another device", async () => {
    table.add(through("10.65.0.0/26", 2), false);
    table.add(through("10.65.0.0/26", 3), true);
    await table.dropDevice(2);
    expect(table.at(prefix("10.65.0.0/26"))).toEqual([through("10.65.0.0/26", 3)]);
  });

  test("leaves multipath routes to a dump", async () => {
    table.add(through("10.65.0.0/26", 2, 3), false);
    expect(await table.dropDevice(2)).toBe(false);
    expect(table.at(prefix("10.65.0.0/26"))).toHaveLength(1);
  });
});

describe("many routes of a device that goes down", () => {
  const many = Array.from({ length: 5000 }, (_, index) => through(`10.${index >> 8}.${index & 255}.0/24`, 2));

  test("go in slices, but for those that are written again meanwhile", async () => {
    for (const route of many) table.add(route, false);
    const dropped = table.dropDevice(2);
    const left = [...table.entries()].length;
    expect(left).toBeGreaterThan(0);
    for (const route of many.slice(-10)) table.add(route, true);
    await dropped;
    expect([...table.entries()]).toHaveLength(10);
    await table.dropDevice(2);
    expect([...table.entries()]).toEqual([]);
  });
});

describe("longest match", () => {
  test("takes the most specific prefix with an accepted route, best metric first", () => {
    const routes = [
      kernelRoute("0.0.0.0/0", { protocol: 3 }),
      kernelRoute("10.65.0.0/16", { metric: 20 }),
      kernelRoute("10.65.0.0/16", { metric: 10 }),
      kernelRoute("10.65.1.0/24", { protocol: 9 }),
    ];
    for (const route of routes) table.add(route, false);
    const match = (accept: (route: RouteShape) => boolean) => table.longestMatch(address("10.65.1.1"), accept);
    expect(match(everything)).toEqual([routes[3]]);
    expect(match(({ protocol }) => protocol !== 9).map(({ metric }) => metric)).toEqual([10, 20]);
    expect(match(({ protocol }) => protocol === 3)).toEqual([routes[0]]);
    for (const route of routes) table.remove(route);
    expect(match(everything)).toEqual([]);
  });
});

describe("a dump", () => {
  test("adds what was missed and removes what has gone", async () => {
    table.add(through("10.65.0.0/26", 2), false);
    table.add(through("10.65.1.0/26", 2), false);
    seen = [];
    table.beginDump();
    await table.endDump([through("10.65.1.0/26", 2), through("10.65.2.0/26", 2)]);
    expect(seen).toEqual([
      { prefix: "10.65.2.0/26", before: 0, after: 1, cause: "dump" },
      { prefix: "10.65.0.0/26", before: 1, after: 0, cause: "dump" },
    ]);
  });

  test("does not undo what happened since it was asked for", async () => {
    table.add(through("10.65.0.0/26", 2), false);
    table.beginDump();
    table.remove(through("10.65.0.0/26", 2));
    table.add(through("10.65.1.0/26", 2), false);
    await table.endDump([through("10.65.0.0/26", 2)]);
    expect([...table.entries()].map(([held]) => held.toString())).toEqual(["10.65.1.0/26"]);
  });

  test("does not undo what happens while it is compared", async () => {
    const many = Array.from({ length: 5000 }, (_, index) => through(`10.${index >> 8}.${index & 255}.0/24`, 2));
    table.beginDump();
    const ended = table.endDump(many);
    await setImmediate();
    table.add(through("11.0.0.0/24", 2), false);
    expect([...table.entries()].length).toBeLessThan(many.length);
    await ended;
    expect(table.at(prefix("11.0.0.0/24"))).toHaveLength(1);
    expect([...table.entries()]).toHaveLength(many.length + 1);
  });
});
