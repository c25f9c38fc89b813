import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HashIndex } from "../../src/bgp/rib/hash-index.ts";
import { OctetChunks } from "../../src/bgp/rib/octet-chunks.ts";
import { PrefixRows } from "../../src/bgp/rib/prefix-rows.ts";
import { RowQueue } from "../../src/bgp/rib/row-queue.ts";
import { SlotQueue } from "../../src/bgp/rib/slot-queue.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";

/** Few distinct ones, so that operations meet each other's. */
const prefix = fc.oneof(
  fc.tuple(fc.nat(15), fc.integer({ min: 0, max: 32 })).map(([n, length]) => Prefix.of(IpAddress.v4(n << 26), length)),
  fc
    .tuple(fc.nat(7), fc.integer({ min: 0, max: 128 }))
    .map(([n, length]) => Prefix.of(IpAddress.v6(0xfd000000, n, 0, n << 3), length)),
);

describe("prefixes as rows", () => {
  it("are found, made and forgotten as in a Map, and keep their row while they are there", () => {
    const operation = fc.record({ isRemoval: fc.boolean(), prefix });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400 }), (operations) => {
        const rows = new PrefixRows();
        const model = new Map<string, number>();
        for (const { isRemoval, prefix: wanted } of operations) {
          const key = wanted.toString();
          const known = model.get(key);
          expect(rows.find(wanted)).toBe(known ?? -1);
          if (isRemoval) {
            if (known !== undefined) rows.remove(known);
            model.delete(key);
          } else {
            const row = rows.take(wanted);
            if (known === undefined) expect([...model.values()]).not.toContain(row);
            else expect(row).toBe(known);
            model.set(key, row);
          }
          expect(rows.size).toBe(model.size);
        }
        for (const [key, row] of model) {
          expect(rows.prefixOf(row).toString()).toBe(key);
          expect(rows.familyOf(row)).toBe(key.includes(":") ? "ipv6-unicast" : "ipv4-unicast");
        }
        const used = Array.from({ length: rows.end }, (_, row) => row).filter((row) => rows.isUsed(row));
        expect(used).toEqual([...model.values()].sort((left, right) => left - right));
      }),
      { numRuns: 100 },
    );
  });
});

describe("an index of rows by hash", () => {
  it("finds all rows of a hash and no others, whatever was added and removed and however hashes collide", () => {
    // A few home places, so that runs of places overlap.
    const hash = fc.integer({ min: 0, max: 5 }).map((home) => Math.imul(home, 0x0c000000) | (home % 2));
    const operation = fc.record({ row: fc.nat(60), hash });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 300 }), (operations) => {
        const index = new HashIndex();
        const model = new Map<number, number>();
        for (const { row, hash: own } of operations) {
          const known = model.get(row);
          if (known === undefined) {
            index.add(row, own);
            model.set(row, own);
          } else {
            index.remove(row, known);
            model.delete(row);
          }
          const found: number[] = [];
          for (let place = index.first(own); index.rowAt(place) >= 0; place = index.next(place))
            if (index.hashAt(place) === own) found.push(index.rowAt(place));
          const expected = [...model].filter(([, other]) => other === own).map(([other]) => other);
          expect(found.sort((left, right) => left - right)).toEqual(expected.sort((left, right) => left - right));
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe("a queue of rows", () => {
  it("gives them in the order in which they came", () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(1000), { nil: undefined }), { maxLength: 300 }), (operations) => {
        const queue = new RowQueue();
        const model: number[] = [];
        for (const row of operations)
          if (row === undefined) expect(queue.shift()).toBe(model.shift() ?? -1);
          else {
            queue.push(row);
            model.push(row);
            expect(queue.size).toBe(model.length);
          }
        for (const row of model) expect(queue.shift()).toBe(row);
        expect([queue.shift(), queue.size]).toEqual([-1, 0]);
      }),
    );
  });
});

describe("a queue of places with their buckets", () => {
  const slot = fc.integer({ min: -12, max: 12 });
  const operation = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant("toggle" as const), slot, bucket: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("shift" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("copy" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("many" as const), from: fc.nat(200) }) },
  );
  it("is a Map in the order of insertion", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        let queue = new SlotQueue();
        const model = new Map<number, number>();
        const add = (place: number, bucket: number) => {
          queue.add(place, bucket);
          model.set(place, bucket);
        };
        for (const step of operations) {
          if (step.type === "copy") queue = queue.copy();
          else if (step.type === "many") {
            for (let place = step.from; place < step.from + 40; place++) if (!model.has(place)) add(place, place);
          } else if (step.type === "shift") {
            const [first] = model;
            const got: unknown[] = [];
            expect(queue.shift((...entry) => got.push(entry))).toBe(first !== undefined);
            expect(got).toEqual(first === undefined ? [] : [first]);
            if (first !== undefined) model.delete(first[0]);
          } else if (!model.has(step.slot)) add(step.slot, step.bucket);
          else {
            queue.delete(step.slot);
            model.delete(step.slot);
          }
          expect(queue.size).toBe(model.size);
          for (let place = -12; place <= 12; place++) expect(queue.get(place)).toBe(model.get(place) ?? -1);
        }
        const left: [number, number][] = [];
        queue.each((...entry) => left.push(entry));
        expect(left).toEqual([...model]);
      }),
      { numRuns: 100 },
    );
  });
});

describe("pieces of octets", () => {
  it("never overlap, whatever was given back before", () => {
    const operation = fc.record({ isRelease: fc.boolean(), length: fc.nat(3000) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 400, size: "max" }), (operations) => {
        const chunks = new OctetChunks();
        const pieces: { address: number; length: number; mark: number }[] = [];
        operations.forEach(({ isRelease, length }, index) => {
          const piece = isRelease ? pieces.splice(length % Math.max(1, pieces.length), 1)[0] : undefined;
          if (piece !== undefined) chunks.release(piece.address, piece.length);
          if (isRelease) return;
          const added = { address: chunks.allocate(length), length, mark: index % 251 };
          const at = chunks.offsetOf(added.address);
          expect(at + length).toBeLessThanOrEqual(chunks.chunkOf(added.address).length);
          chunks.chunkOf(added.address).fill(added.mark, at, at + length);
          pieces.push(added);
        });
        for (const { address, length, mark } of pieces) {
          const at = chunks.offsetOf(address);
          expect(
            chunks
              .chunkOf(address)
              .subarray(at, at + length)
              .every((octet) => octet === mark),
          ).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  });
});
