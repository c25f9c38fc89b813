import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { NextHop } from "../../src/bgp/packet/message.ts";
import type { Path } from "../../src/bgp/paths.ts";
import { decide, type Loss, rank } from "../../src/bgp/rib/decision.ts";
import type { Candidate } from "../../src/bgp/rib/decision-steps.ts";
import { acceptAll } from "../../src/bgp/rib/import-rules.ts";
import { Rib } from "../../src/bgp/rib/rib.ts";
import { RibViews } from "../../src/bgp/rib/rib-views.ts";
import { addressOf, attributesOf, pathOf, peerSource, prefixOf } from "../support/bgp.ts";
import { permutations } from "../support/permutations.ts";

/** Values from small ranges, so that every step of the process gets to decide. */
const candidateParts = fc.record({
  asPath: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 3 }),
  type: fc.constantFrom("ibgp" as const, "ebgp" as const),
  origin: fc.constantFrom(0 as const, 2 as const),
  med: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
  localPref: fc.option(fc.constantFrom(100, 200), { nil: undefined }),
  originatorId: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }),
  clusters: fc.integer({ min: 0, max: 2 }),
  identifier: fc.integer({ min: 1, max: 3 }),
  nextHop: fc.integer({ min: 1, max: 3 }),
  igpMetric: fc.option(fc.integer({ min: 0, max: 1 }), { nil: undefined, freq: 9 }),
});

/** Peers differ in their address, as configured peers do. */
const candidates = fc.array(candidateParts, { minLength: 1, maxLength: 6 }).map((list) =>
  list.map(
    (
      { asPath, type, origin, med, localPref, originatorId, clusters, identifier, nextHop, igpMetric },
      index,
    ): Candidate => {
      const attributes = attributesOf(asPath, {
        origin,
        clusterList: Array.from({ length: clusters }, () => 1),
        ...(med === undefined ? {} : { med }),
        ...(localPref === undefined ? {} : { localPref }),
        ...(originatorId === undefined ? {} : { originatorId }),
      });
      const address = addressOf(`10.1.1.${nextHop}`);
      return {
        path: pathOf(peerSource(index + 1, { type, identifier }), attributes, { nextHop: { address } }),
        igpMetric,
      };
    },
  ),
);

const options = fc.record({
  multipathEbgp: fc.integer({ min: 1, max: 4 }),
  multipathIbgp: fc.integer({ min: 1, max: 4 }),
  multipathRelaxed: fc.boolean(),
  asPathIgnore: fc.boolean(),
  alwaysCompareMed: fc.boolean(),
  missingMedIsWorst: fc.boolean(),
  compareRouterId: fc.boolean(),
});

describe("the decision process", () => {
  it("gives the same answer for every order in which up to six candidates can come, with all options", () => {
    fc.assert(
      fc.property(candidates, options, (list, settings) => {
        const expected = decide(list, settings);
        for (const order of permutations(list)) {
          const chosen = decide(order, settings);
          // Identity, because comparing 720 lists by content takes longer than choosing.
          expect(chosen.length === expected.length && chosen.every((path, index) => path === expected[index])).toBe(
            true,
          );
        }
      }),
      { numRuns: 150 },
    );
  });

  it("gives a reason for every candidate but the best, and does not depend on those that lost to it", () => {
    fc.assert(
      fc.property(candidates, options, (list, settings) => {
        const reasons = new Map<unknown, Loss>();
        const chosen = decide(list, settings, ({ path }, loss) => {
          expect(reasons.has(path)).toBe(false);
          reasons.set(path, loss);
        });
        const [best] = chosen;
        expect([...reasons.keys()]).toHaveLength(best === undefined ? list.length : list.length - 1);
        expect(reasons.has(best)).toBe(false);
        expect(chosen.length).toBeLessThanOrEqual(Math.max(settings.multipathEbgp, settings.multipathIbgp));
        expect(new Set(chosen.map(({ nextHop }) => nextHop?.address.toString())).size).toBe(chosen.length);
        // What is not even a multipath equal can go without a change of the best path.
        const others = list.filter(
          ({ path }) => path !== best && !chosen.includes(path) && reasons.get(path)?.rule === "local-pref",
        );
        expect(
          decide(
            list.filter((candidate) => !others.includes(candidate)),
            settings,
          ),
        ).toEqual(chosen);
      }),
      { numRuns: 500 },
    );
  });

  it("chooses and ranks rows of the RIB as it does objects", () => {
    fc.assert(
      fc.property(candidates, options, fc.integer({ min: 1, max: 4 }), (list, settings, limit) => {
        const metrics = new Map(list.map(({ path, igpMetric }) => [path.nextHop?.address.toString(), igpMetric]));
        const metricOf = (nextHop: NextHop | undefined) => metrics.get(nextHop?.address.toString());
        const rib = new Rib(settings, (nextHop) => {
          const metric = metricOf(nextHop);
          return metric === undefined ? undefined : { metric };
        });
        const views = new RibViews(rib, settings);
        const prefix = rib.prefixes.take(prefixOf("192.0.2.0/24"));
        for (const { path } of list) {
          const attributes = rib.attributes.take(path.attributes);
          rib.beginAnnouncement(rib.createTable(path.source, acceptAll), attributes, path.nextHop);
          rib.announce(prefix, path.pathId);
          rib.endAnnouncement();
          rib.attributes.release(attributes);
        }
        rib.settle(1);
        const tracked = list.map(({ path }) => ({ path, igpMetric: metricOf(path.nextHop) }));
        const peers = (paths: readonly Path[]) => paths.map(({ source }) => source.kind === "peer" && source.peer);
        const seen = (rows: readonly number[]) => peers(rows.map((row) => views.path(row)));
        expect(seen(rib.choices.selectedOf(prefix))).toEqual(peers(decide(tracked, settings)));
        expect(seen(rib.slotsOf(prefix, limit).map((slot) => rib.slots.pathOf(slot)))).toEqual(
          peers(rank(tracked, settings, limit)),
        );
        const usable = decide(tracked, settings).length > 0;
        const reachable = tracked.map((candidate) => ({ ...candidate, igpMetric: 0 }));
        expect(seen(rib.choices.unresolvedOf(prefix))).toEqual(usable ? [] : peers(decide(reachable, settings)));
      }),
      { numRuns: 500 },
    );
  });
});
