import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PlainPrefixes } from "../../src/bgp/packet/plain-prefixes.ts";
import { AttributeTable } from "../../src/bgp/rib/attribute-table.ts";
import { BucketTable } from "../../src/bgp/rib/bucket.ts";
import { ExcludedRanges } from "../../src/bgp/rib/excluded-ranges.ts";
import { HashIndex } from "../../src/bgp/rib/hash-index.ts";
import { OctetChunks } from "../../src/bgp/rib/octet-chunks.ts";
import { PrefixRows } from "../../src/bgp/rib/prefix-rows.ts";
import { RowQueue } from "../../src/bgp/rib/row-queue.ts";
import { SlotRuns } from "../../src/bgp/rib/slot-runs.ts";
import { ToldQueue } from "../../src/bgp/rib/told-queue.ts";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { attributesOf } from "../support/bgp.ts";

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
        rows.removeAll();
        expect([rows.size, rows.end]).toEqual([0, 0]);
        for (const { prefix: wanted } of operations) expect(rows.find(wanted)).toBe(-1);
      }),
      { numRuns: 100 },
    );
  });

  it("are found and forgotten while the index moves to more places", () => {
    const ipv4 = (n: number) => Prefix.of(IpAddress.v4((n << 8) >>> 0), 24);
    const ipv6 = (n: number) => Prefix.of(IpAddress.v6(0xfd000000, n, 0, 0), 64);
    fc.assert(
      // 512 prefixes are the most for 1024 places, which are moved 16 at a time.
      fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(511), { maxLength: 30 }), (more, removed) => {
        const rows = new PrefixRows();
        const prefixes = Array.from({ length: 512 + more }, (_, n) => (n % 2 === 0 ? ipv4(n) : ipv6(n)));
        const model = new Map(prefixes.map((one) => [one.toString(), rows.take(one)]));
        for (const n of removed) {
          const one = ipv4(n * 2);
          for (const victim of [one, ipv6(n)]) {
            const row = rows.find(victim);
            expect(row).toBe(model.get(victim.toString()) ?? -1);
            if (row >= 0) rows.remove(row);
            model.delete(victim.toString());
          }
          const added = ipv4(1000 + n);
          model.set(added.toString(), rows.take(added));
          for (const other of [...prefixes, added]) expect(rows.find(other)).toBe(model.get(other.toString()) ?? -1);
        }
        expect(rows.size).toBe(model.size);
      }),
      { numRuns: 20 },
    );
  });

  it("are the same if many are looked up together", () => {
    const many = fc.array(
      fc.tuple(fc.integer(), fc.integer({ min: 0, max: 32 })).map(([word, length]) => {
        const host = length === 32 ? 0 : 0xffffffff >>> length;
        return Prefix.of(IpAddress.v4((word & ~host) >>> 0), length);
      }),
      { maxLength: 200, size: "max" },
    );
    fc.assert(
      fc.property(fc.array(fc.record({ isTake: fc.boolean(), many }), { maxLength: 6 }), (batches) => {
        const rows = new PrefixRows();
        const model = new PrefixRows();
        for (const { isTake, many: wanted } of batches) {
          const batch = new PlainPrefixes();
          const field = wanted.flatMap(({ address, length }) => [
            length,
            ...address.toBytes().slice(0, Math.ceil(length / 8)),
          ]);
          expect(batch.read(Uint8Array.from(field), 0, field.length)).toBe(true);
          expect(batch.count).toBe(wanted.length);
          const found = new Int32Array(wanted.length);
          rows.prepare(batch);
          if (isTake) rows.takeAll(batch, 0, batch.count, found);
          else rows.findAll(batch, 0, batch.count, found);
          expect([...found]).toEqual(wanted.map((one) => (isTake ? model.take(one) : model.find(one))));
        }
      }),
      { numRuns: 60 },
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
  const slot = fc.integer({ min: -70, max: 70 });
  const operation = fc.oneof(
    { weight: 5, arbitrary: fc.record({ type: fc.constant("add" as const), slot, bucket: fc.nat(9) }) },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("drop" as const), count: fc.nat(3) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("copy" as const) }) },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("many" as const), from: fc.nat(200) }) },
  );
  it("is a Map in the order of insertion", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 200 }), (operations) => {
        let queue = new ToldQueue();
        const model = new Map<number, number>();
        const add = (place: number, bucket: number) => {
          expect(queue.has(place)).toBe(model.has(place));
          if (model.has(place)) return;
          queue.add(place, bucket);
          model.set(place, bucket);
        };
        const entries = () =>
          Array.from({ length: queue.size }, (_, index) => [queue.slotAt(index), queue.bucketAt(index)]);
        for (const step of operations) {
          if (step.type === "copy") {
            const original = queue;
            queue = original.copy();
            original.drop(original.size);
          } else if (step.type === "many")
            for (let place = step.from; place < step.from + 40; place++) add(place, place);
          else if (step.type === "add") add(step.slot, step.bucket);
          else {
            const count = Math.min(step.count, queue.size);
            for (const place of [...model.keys()].slice(0, count)) model.delete(place);
            queue.drop(count);
          }
          expect(queue.size).toBe(model.size);
          for (let place = -70; place <= 70; place++) expect(queue.has(place)).toBe(model.has(place));
        }
        expect(entries()).toEqual([...model]);
      }),
      { numRuns: 100 },
    );
  });
});

describe("places put together by bucket", () => {
  it("come in the order of the buckets' first places, each bucket's in the order in which they came", () => {
    const batch = fc.array(fc.record({ slot: fc.integer({ min: -20, max: 200 }), bucket: fc.nat(9) }), {
      maxLength: 60,
    });
    const runs = new SlotRuns();
    fc.assert(
      fc.property(batch, (places) => {
        // What the batch before has left must not matter.
        runs.clear();
        const model = new Map<number, number[]>();
        for (const { slot, bucket } of places) {
          runs.add(slot, bucket);
          model.set(bucket, [...(model.get(bucket) ?? []), slot]);
        }
        const found: [number, number[]][] = [];
        runs.each((bucket, slots, start, end) => found.push([bucket, [...slots.subarray(start, end)]]));
        expect(found).toEqual([...model]);
        expect(runs.size).toBe(places.length);
      }),
      { numRuns: 200 },
    );
  });
});

describe("octets that are not for everybody", () => {
  const addresses = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map((text) => IpAddress.parse(text));
  const size = fc.integer({ min: 1, max: 5 });
  const piece = fc.record({ length: size, source: fc.option(fc.nat(2)), nextHop: fc.nat(2) });
  it("are left out for the peer they came from and the peer that is the next hop, and nothing else is", () => {
    const attributes = new AttributeTable();
    const buckets = new BucketTable(attributes);
    const set = attributes.take(attributesOf());
    const excluded = new ExcludedRanges();
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), size, size, (pieces, before, behind) => {
        // Every octet's message, and who must not get it.
        const run: { message: number; owners: (string | number)[] }[] = [];
        let messages = 0;
        const write = (octets: number, owners: (string | number)[]) => {
          for (let octet = 0; octet < octets; octet++) run.push({ message: messages, owners });
          messages++;
        };
        write(before, []);
        excluded.begin(run.length, messages);
        for (const { length, source, nextHop } of pieces) {
          const address = addresses[nextHop] ?? IpAddress.v4(0);
          const bucket = buckets.take(
            { attributes: set, form: 0, originator: 0 },
            { address },
            source === null ? undefined : `peer-${source}`,
          );
          write(length, [`peer-${source}`, nextHop]);
          excluded.add(buckets, bucket, run.length, messages);
        }
        write(behind, []);
        for (const [index, address] of addresses.entries()) {
          const name = `peer-${index}`;
          const got: number[] = [];
          let last = -1;
          excluded.visit({ name, address }, run.length, messages, (start, stop, count) => {
            // As few pieces as there can be.
            expect(start).toBeGreaterThan(last);
            expect(stop).toBeGreaterThan(start);
            last = stop;
            for (let octet = start; octet < stop; octet++) got.push(octet);
            expect(count).toBe(new Set(run.slice(start, stop).map(({ message }) => message)).size);
          });
          const wanted = run.flatMap(({ owners }, octet) =>
            owners.includes(name) || owners.includes(index) ? [] : [octet],
          );
          expect(got).toEqual(wanted);
        }
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
