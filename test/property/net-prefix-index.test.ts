import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { noRow, PrefixIndex } from "../../src/net/prefix-index.ts";
import { RowLists } from "../../src/net/row-lists.ts";

/** Few distinct keys, so that commands meet each other's keys, and more than the first capacity. */
const crowdedPrefix = fc.oneof(
  fc.tuple(fc.nat(15), fc.integer({ min: 0, max: 32 })).map(([n, length]) => Prefix.of(IpAddress.v4(n << 26), length)),
  fc
    .tuple(fc.nat(7), fc.integer({ min: 0, max: 128 }))
    .map(([n, length]) => Prefix.of(IpAddress.v6(0xfd000000, n, 0, n << 3), length)),
);

interface Command {
  readonly type: "hold" | "release";
  readonly prefix: Prefix;
  readonly holder: number;
}

const command = fc.record<Command>({
  type: fc.constantFrom("hold", "hold", "release"),
  prefix: crowdedPrefix,
  holder: fc.constantFrom(1, 2, 4),
});

/** Holders by the text of the prefix. */
function play(index: PrefixIndex, model: Map<string, number>, { type, prefix, holder }: Command): void {
  const key = prefix.toString();
  const row = index.find(prefix);
  expect(row !== noRow).toBe(model.has(key));
  if (type === "hold") {
    const held = index.hold(prefix, holder);
    if (row !== noRow) expect(held).toBe(row);
    model.set(key, (model.get(key) ?? 0) | holder);
  } else if (row !== noRow) {
    index.release(row, holder);
    const left = (model.get(key) ?? 0) & ~holder;
    if (left === 0) model.delete(key);
    else model.set(key, left);
  }
}

describe("PrefixIndex", () => {
  test("gives each held prefix a row of its own, that of before as long as somebody holds it", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
        const index = new PrefixIndex();
        const model = new Map<string, number>();
        for (const step of commands) play(index, model, step);
        expect(index.size).toBe(model.size);
        for (const holder of [1, 2, 4]) {
          const held = [...index.rows(holder)].map((row) => index.prefixOf(row).toString());
          expect(held.sort()).toEqual([...model].flatMap(([key, holders]) => (holders & holder ? [key] : [])).sort());
        }
        const rows = [...index.rows(7)];
        expect(new Set(rows).size).toBe(rows.length);
        for (const row of rows) {
          expect(row).toBeLessThan(index.capacity);
          expect(index.find(index.prefixOf(row))).toBe(row);
        }
        const sorted = index.sortedRows(7).map((row) => index.prefixOf(row));
        expect(sorted.map(String)).toEqual([...sorted].sort((left, right) => left.compare(right)).map(String));
      }),
      { numRuns: 100 },
    );
  });

  test("finds the longest accepted prefix that contains an address", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), crowdedPrefix, (commands, { address }) => {
        const index = new PrefixIndex();
        for (const { prefix, holder } of commands) index.hold(prefix, holder);
        const accept = (row: number): boolean => index.isHeld(row, 2);
        const longest = [...index.rows(7)]
          .filter((row) => accept(row) && index.prefixOf(row).containsAddress(address))
          .sort((left, right) => index.lengthOf(right) - index.lengthOf(left))[0];
        expect(index.longestMatch(address, accept)).toBe(longest ?? noRow);
      }),
      { numRuns: 100 },
    );
  });
});

describe("RowLists", () => {
  const step = fc.record({ row: fc.nat(100), to: fc.option(fc.nat(4), { nil: undefined }) });

  test("keep each row in the list that it was put into last", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const lists = new RowLists();
        const numbers = Array.from({ length: 5 }, () => lists.open());
        const model = new Map<number, number>();
        for (const { row, to } of steps) {
          const list = to === undefined ? undefined : numbers[to];
          if (list === undefined) {
            lists.remove(row);
            model.delete(row);
          } else {
            lists.add(list, row);
            model.set(row, list);
          }
        }
        for (const list of numbers) {
          const expected = [...model].flatMap(([row, held]) => (held === list ? [row] : [])).sort();
          expect(lists.rows(list).sort()).toEqual(expected);
          expect(lists.count(list)).toBe(expected.length);
        }
      }),
    );
  });
});
