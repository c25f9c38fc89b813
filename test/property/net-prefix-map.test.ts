import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { PrefixMap, PrefixSet } from "../../src/net/prefix-map.ts";

/** Few distinct keys, so that commands meet each other's keys. */
const crowdedPrefix = fc.oneof(
  fc.tuple(fc.nat(15), fc.integer({ min: 0, max: 32 })).map(([n, length]) => Prefix.of(IpAddress.v4(n << 26), length)),
  fc
    .tuple(fc.nat(7), fc.integer({ min: 0, max: 128 }))
    .map(([n, length]) => Prefix.of(IpAddress.v6(0xfd000000, n, 0, n << 3), length)),
);

const command = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant("set" as const), prefix: crowdedPrefix, value: fc.nat() }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant("delete" as const), prefix: crowdedPrefix }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("get" as const), prefix: crowdedPrefix }) },
);

const sorted = (entries: Iterable<readonly [string, number]>) => [...entries].sort(([a], [b]) => (a < b ? -1 : 1));

describe("PrefixMap", () => {
  test("behaves as a Map keyed by the text of the prefix under any sequence of operations", () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 400 }), (commands) => {
        const map = new PrefixMap<number>();
        const model = new Map<string, number>();
        for (const step of commands) {
          const key = step.prefix.toString();
          if (step.type === "set") {
            map.set(step.prefix, step.value);
            model.set(key, step.value);
          } else if (step.type === "delete") expect(map.delete(step.prefix)).toBe(model.delete(key));
          expect(map.get(step.prefix)).toBe(model.get(key));
          expect(map.has(step.prefix)).toBe(model.has(key));
          expect(map.size).toBe(model.size);
        }
        expect(sorted([...map].map(([prefix, value]) => [prefix.toString(), value] as const))).toEqual(sorted(model));
        expect([...map.values()].sort()).toEqual([...model.values()].sort());
      }),
      { numRuns: 100 },
    );
  });

  test("visits every surviving entry exactly once while entries come and go during the iteration", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(crowdedPrefix, { minLength: 1, maxLength: 60, selector: String }),
        fc.array(command, { maxLength: 300 }),
        (initial, commands) => {
          const map = new PrefixMap<number>(initial.map((prefix) => [prefix, -1]));
          const untouched = new Set(initial.map(String));
          for (const step of commands) untouched.delete(step.prefix.toString());
          const visited: string[] = [];
          let next = 0;
          for (const [prefix] of map) {
            visited.push(prefix.toString());
            for (let count = 0; count < 5 && next < commands.length; count++) {
              const step = commands[next++];
              if (step?.type === "set") map.set(step.prefix, step.value);
              else if (step?.type === "delete") map.delete(step.prefix);
            }
          }
          for (const key of untouched) expect(visited.filter((seen) => seen === key)).toHaveLength(1);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("keeps every one of 300,000 neighbouring prefixes of all lengths apart", () => {
    const map = new PrefixMap<number>();
    const keyOf = (index: number) => Prefix.of(IpAddress.v4(index * 256), index % 3 === 0 ? 24 : 8 + (index % 25));
    const model = new Map<string, number>();
    for (let index = 0; index < 300_000; index++) {
      map.set(keyOf(index), index);
      model.set(keyOf(index).toString(), index);
    }
    expect(map.size).toBe(model.size);
    for (let index = 0; index < 300_000; index += 7) {
      const key = keyOf(index);
      expect(map.get(key)).toBe(model.get(key.toString()));
    }
    for (const prefix of [...map.keys()]) map.delete(prefix);
    expect(map.size).toBe(0);
    expect([...map]).toEqual([]);
  });
});

describe("PrefixSet", () => {
  test("behaves as a Set of the texts", () => {
    fc.assert(
      fc.property(fc.array(crowdedPrefix), fc.array(crowdedPrefix), (added, removed) => {
        const set = new PrefixSet(added);
        const model = new Set(added.map(String));
        for (const prefix of removed) expect(set.delete(prefix)).toBe(model.delete(prefix.toString()));
        expect(set.size).toBe(model.size);
        expect([...set].map(String).sort()).toEqual([...model].sort());
        for (const prefix of added) expect(set.has(prefix)).toBe(model.has(prefix.toString()));
        set.clear();
        expect(set.size).toBe(0);
      }),
      { numRuns: 100 },
    );
  });
});
