import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TunnelRouteTable } from "../../../src/tunnel/route-table.ts";

const node = (value: number) => Uint32Array.of(value);
const inside = (address: number, prefix: number, length: number) =>
  length === 0 || (address ^ prefix) >>> (32 - length) === 0;

describe("TunnelRouteTable", () => {
  it("prefers the longer prefix, and the shorter one when that is gone", () => {
    const table = new TunnelRouteTable();
    table.set(0x0af40000, 26, node(1));
    table.set(0x0af40005, 32, node(2));
    table.set(0, 0, node(3));
    expect([table.lookup(0x0af40005), table.lookup(0x0af40006), table.lookup(0x0af40040)]).toEqual([2, 1, 3].map(node));
    table.set(0x0af40005, 32, new Uint32Array());
    expect(table.lookup(0x0af40005)).toEqual(node(1));
    table.set(0, 0, new Uint32Array());
    expect(table.lookup(0x0af40040)).toBeUndefined();
  });

  it("takes additions early and removals in their turn", () => {
    const table = new TunnelRouteTable();
    table.set(0x0af40000, 26, node(1));
    const words = Uint32Array.of(0x0af40000, 26, 0, 0x0af40040, 26, 2, 5, 6);
    table.apply(words, "additions");
    expect([table.lookup(0x0af40001), table.lookup(0x0af40041)]).toEqual([node(1), Uint32Array.of(5, 6)]);
    table.apply(words, "all");
    expect([table.lookup(0x0af40001), table.lookup(0x0af40041)]).toEqual([undefined, Uint32Array.of(5, 6)]);
  });

  it("knows which nodes some prefix leads to", () => {
    const table = new TunnelRouteTable();
    table.set(0x0af40000, 26, Uint32Array.of(1, 2));
    table.set(0x0af40040, 26, node(2));
    const leads = () => [1, 2, 3].map((each) => table.leadsTo(each));
    expect(leads()).toEqual([true, true, false]);
    table.set(0x0af40000, 26, node(3));
    expect(leads()).toEqual([false, true, true]);
    table.set(0x0af40040, 26, new Uint32Array());
    expect(leads()).toEqual([false, false, true]);
  });

  it("finds what a naive search finds, whatever came and went", () => {
    // Few bits vary, so that prefixes meet and displace each other.
    const change = fc.record({
      address: fc.nat(0xfff).map((bits) => (0xc0000000 + (bits << 5)) >>> 0),
      length: fc.constantFrom(0, 1, 16, 22, 24, 26, 27, 31, 32),
      value: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300 }), fc.array(fc.nat(0x1ffff)), (changes, probes) => {
        const table = new TunnelRouteTable();
        const naive = new Map<string, { address: number; length: number; value: number }>();
        for (const { address: any, length, value } of changes) {
          const address = length === 0 ? 0 : (any & (-1 << (32 - length))) >>> 0;
          table.set(address, length, value === 0 ? new Uint32Array() : node(value));
          if (value === 0) naive.delete(`${address}/${length}`);
          else naive.set(`${address}/${length}`, { address, length, value });
        }
        expect(table.size).toBe(naive.size);
        const addresses = [
          ...probes.map((bits) => (0xc0000000 + bits) >>> 0),
          ...changes.map(({ address }) => address),
        ];
        for (const address of addresses) {
          const best = [...naive.values()]
            .filter((entry) => inside(address, entry.address, entry.length))
            .sort((left, right) => right.length - left.length)[0];
          expect(table.lookup(address)?.[0]).toBe(best?.value);
        }
      }),
    );
  });
});
