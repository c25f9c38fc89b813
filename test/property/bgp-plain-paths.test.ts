import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultDecisionOptions } from "../../src/bgp/rib/decision-steps.ts";
import { acceptAll } from "../../src/bgp/rib/import-rules.ts";
import { none } from "../../src/bgp/rib/path-rows.ts";
import { Rib } from "../../src/bgp/rib/rib.ts";
import { addressOf, attributesOf, peerSource, prefixOf } from "../support/bgp.ts";

const prefixes = Array.from({ length: 12 }, (_, index) => prefixOf(`192.0.2.${index}/32`));
const sets = [attributesOf(), attributesOf([65001], { localPref: 200 }), attributesOf([65001, 65002])];
const hops = [{ address: addressOf("198.51.100.1") }, { address: addressOf("198.51.100.2") }];

/** What a peer says, or what else happens to its routes. */
const step = fc.record({
  type: fc.constantFrom("announce", "announce", "announce", "withdraw", "withdraw", "stale", "drop", "settle", "purge"),
  peer: fc.nat(2),
  set: fc.nat(2),
  hop: fc.nat(1),
  routes: fc.array(fc.nat(prefixes.length - 1), { maxLength: 8 }),
});

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** The same routes said one by one, or all of an UPDATE together. */
function makeRib(isTogether: boolean) {
  const rib = new Rib(defaultDecisionOptions, ({ address }) =>
    address.toString() === "198.51.100.2" ? undefined : { metric: 0 },
  );
  const refusing = { ...acceptAll, passes: () => false, judge: () => ({ accepted: false, reason: "no" }) as const };
  const tables = [acceptAll, acceptAll, refusing].map((side, index) => rib.createTable(peerSource(index), side));
  const changes: string[] = [];
  const perform = ({ type, peer, set, hop, routes }: Step): void => {
    const table = tables[peer];
    const attributes = sets[set];
    if (table === undefined || attributes === undefined) return;
    if (type === "announce") {
      const id = rib.attributes.take(attributes);
      rib.beginAnnouncement(table, id, hops[hop]);
      const rows = routes.map((route) => rib.prefixes.take(prefixes[route] ?? prefixOf("::/0")));
      // Among others, which it must leave alone.
      if (isTogether) rib.announceAll(Int32Array.of(none, ...rows, none), 1, 1 + rows.length);
      else for (const row of rows) rib.announce(row, 0);
      rib.endAnnouncement();
      rib.attributes.release(id);
    } else if (type === "withdraw") {
      const rows = routes.map((route) => rib.prefixes.find(prefixes[route] ?? prefixOf("::/0")));
      if (isTogether) rib.withdrawAll(table, Int32Array.of(none, ...rows, none), 1, 1 + rows.length);
      else for (const row of rows) rib.withdraw(table, row, 0);
    } else if (type === "stale") rib.markStale(table, ["ipv4-unicast"]);
    else if (type === "drop")
      rib.removeWhere(table, (row) => rib.prefixes.prefixOf(rib.prefixOf(row)).address.w0 % 2 === 0);
    else settle();
    if (type === "purge") while (rib.purge(2));
  };
  const settle = (): void => {
    // Which of them first is nobody's business.
    while (rib.pending)
      changes.push(...Array.from(rib.settle(3).changed, (row) => rib.prefixes.prefixOf(row).toString()).sort());
  };
  const state = () => ({
    tables: tables.map(({ ipv4, ipv6, accepted, stale, rows }) => ({ ipv4, ipv6, accepted, stale, rows })),
    sets: rib.attributes.size,
    routes: prefixes.map((prefix) => {
      const row = rib.prefixes.find(prefix);
      const paths: unknown[] = [];
      for (let path = row < 0 ? none : rib.choices.firstOf(row); path !== none; path = rib.paths.next[path] ?? none)
        paths.push({
          source: rib.sourceOf(path),
          prefix: rib.prefixOf(path) === row,
          attributes: rib.attributes.get(rib.paths.received[path] ?? 0),
          isAccepted: rib.paths.accepted[path] === rib.paths.received[path],
          nextHop: rib.trackedOf(path)?.nextHop,
          flags: rib.paths.flags[path],
        });
      const best = row < 0 ? none : rib.choices.bestOf(row);
      return { paths, best: best === none ? undefined : rib.sourceOf(best) };
    }),
  });
  return { perform, settle, state, changes };
}

describe("the routes of an UPDATE taken together", () => {
  it("come to the same as one by one, whatever happens to them between", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const together = makeRib(true);
        const single = makeRib(false);
        for (const one of steps) {
          together.perform(one);
          single.perform(one);
          expect(together.state()).toEqual(single.state());
        }
        together.settle();
        single.settle();
        expect(together.state()).toEqual(single.state());
        expect(together.changes.toSorted()).toEqual(single.changes.toSorted());
      }),
      { numRuns: 150 },
    );
  });
});
