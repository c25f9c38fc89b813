import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { IpAddress } from "../../src/net/address.ts";
import { Prefix } from "../../src/net/prefix.ts";
import { PrefixTrie } from "../../src/net/prefix-trie.ts";

const crowdedAddress = fc.oneof(
  fc.nat(255).map((n) => IpAddress.v4(((n >> 4) << 28) | (n & 15))),
  fc.nat(255).map((n) => IpAddress.v6((n >> 6) << 30, 0, ((n >> 3) & 7) << 13, n & 7)),
);
const crowdedPrefix = fc
  .tuple(crowdedAddress, fc.oneof(fc.nat(128), fc.nat(8)))
  .map(([address, length]) => Prefix.of(address, Math.min(length, address.bits)));
const steps = fc.array(fc.tuple(fc.constantFrom("set", "set", "delete"), crowdedPrefix, fc.nat()), { maxLength: 120 });

/** The naive table: every question is a scan. */
class LinearTable {
  readonly entries: [Prefix, number][] = [];

  apply(trie: PrefixTrie<number>, operations: readonly (readonly [string, Prefix, number])[]): void {
    for (const [type, prefix, value] of operations) {
      const at = this.entries.findIndex(([key]) => key.equals(prefix));
      if (type === "delete") {
        expect(trie.delete(prefix)).toBe(at >= 0);
        if (at >= 0) this.entries.splice(at, 1);
      } else {
        trie.set(prefix, value);
        if (at >= 0) this.entries.splice(at, 1);
        this.entries.push([prefix, value]);
      }
      expect(trie.size).toBe(this.entries.length);
    }
    this.entries.sort(([a], [b]) => a.compare(b));
  }
}

const texts = (entries: Iterable<readonly [Prefix, number]>) =>
  [...entries].map(([prefix, value]) => `${prefix}=${value}`);

describe("PrefixTrie", () => {
  test("answers every question as a linear scan does, after any sets and deletes", () => {
    fc.assert(
      fc.property(steps, fc.array(crowdedPrefix, { minLength: 5, maxLength: 10 }), (operations, questions) => {
        const trie = new PrefixTrie<number>();
        const table = new LinearTable();
        table.apply(trie, operations);
        expect(texts(trie)).toEqual(texts(table.entries));
        for (const question of questions.concat(operations.slice(0, 20).map(([, prefix]) => prefix))) {
          const covering = table.entries
            .filter(([key]) => key.contains(question))
            .sort(([a], [b]) => a.length - b.length);
          expect(texts(trie.covering(question))).toEqual(texts(covering));
          expect(trie.longestMatchPrefix(question)).toEqual(covering.at(-1));
          expect(texts(trie.covered(question))).toEqual(texts(table.entries.filter(([key]) => question.contains(key))));
          const matches = table.entries
            .filter(([key]) => key.containsAddress(question.address))
            .sort(([a], [b]) => a.length - b.length);
          expect(trie.longestMatch(question.address)).toEqual(matches.at(-1));
          const exact = table.entries.find(([key]) => key.equals(question));
          expect(trie.get(question)).toBe(exact?.[1]);
          expect(trie.has(question)).toBe(exact !== undefined);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("a walk sees every entry that stays while others are deleted under it", () => {
    fc.assert(
      fc.property(fc.uniqueArray(crowdedPrefix, { selector: String, maxLength: 60 }), fc.nat(3), (prefixes, keep) => {
        const trie = new PrefixTrie<number>(prefixes.map((prefix, index) => [prefix, index]));
        const kept = prefixes.filter((_, index) => index % 4 <= keep);
        const seen: string[] = [];
        let next = 0;
        for (const [prefix] of trie) {
          seen.push(prefix.toString());
          for (let count = 0; count < 3 && next < prefixes.length; next++, count++) {
            const victim = prefixes[next];
            if (victim !== undefined && next % 4 > keep) trie.delete(victim);
          }
        }
        expect(seen).toEqual(expect.arrayContaining(kept.map(String)));
        expect(new Set(seen).size).toBe(seen.length);
      }),
      { numRuns: 100 },
    );
  });

  test("the default route matches everything of its family and nothing of the other", () => {
    const trie = new PrefixTrie([[Prefix.parse("0.0.0.0/0"), "v4"]]);
    expect(trie.longestMatch(IpAddress.parse("203.0.113.9"))?.[1]).toBe("v4");
    expect(trie.longestMatch(IpAddress.parse("::"))).toBeUndefined();
    trie.clear();
    expect(trie.longestMatch(IpAddress.parse("203.0.113.9"))).toBeUndefined();
  });
});
