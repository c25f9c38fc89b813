import { describe, expect, it } from "vitest";
import { type Candidate, type DecisionOptions, decide } from "../../../../src/bgp/rib/decision.ts";
import type { Path } from "../../../../src/bgp/types.ts";
import { addressOf, attributesOf, pathOf, peerSource, via } from "../../../support/bgp.ts";

const single: DecisionOptions = { multipathLimit: 1, multipathRelaxed: false };
const multi: DecisionOptions = { multipathLimit: 16, multipathRelaxed: false };

const candidate = (path: Path, igpMetric: number | undefined = 0): Candidate => ({ path, igpMetric });
const ebgp = { type: "ebgp" } as const;

/** Every order of the items. */
function permutations<Item>(items: readonly Item[]): Item[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) =>
    permutations([...items.slice(0, index), ...items.slice(index + 1)]).map((rest) => [item, ...rest]),
  );
}

interface Case {
  readonly step: string;
  readonly winner: Candidate;
  readonly loser: Candidate;
  readonly lostBy: string;
}

/** One case per step, in the order of the steps; the loser is better in the step after it. */
const cases: readonly Case[] = [
  {
    step: "a next hop that can be reached",
    winner: candidate(pathOf(peerSource(2), attributesOf([], { localPref: 1 }))),
    loser: { path: pathOf(peerSource(1), attributesOf([], { localPref: 500 })), igpMetric: undefined },
    lostBy: "next hop 10.0.0.1 cannot be reached",
  },
  {
    step: "higher LOCAL_PREF",
    winner: candidate(pathOf(peerSource(2), attributesOf([1, 2], { localPref: 200 }))),
    loser: candidate(pathOf({ kind: "local" }, attributesOf())),
    lostBy: "lower LOCAL_PREF: 100 < 200",
  },
  {
    step: "a route of our own",
    winner: candidate(pathOf({ kind: "local" }, attributesOf([1, 2]))),
    loser: candidate(pathOf(peerSource(1), attributesOf([1]))),
    lostBy: "learned, and there is a route of our own",
  },
  {
    step: "shorter AS_PATH",
    winner: candidate(pathOf(peerSource(2), attributesOf([1], { origin: 2 }))),
    loser: candidate(pathOf(peerSource(1), attributesOf([1, 2, 3]))),
    lostBy: "longer AS_PATH: 3 > 1",
  },
  {
    step: "better ORIGIN",
    winner: candidate(pathOf(peerSource(2), attributesOf([1], { med: 10 }))),
    loser: candidate(pathOf(peerSource(1), attributesOf([1], { origin: 2 }))),
    lostBy: "worse ORIGIN: incomplete after IGP",
  },
  {
    step: "lower MED",
    winner: candidate(pathOf(peerSource(2), attributesOf([1], { med: 10 }))),
    loser: candidate(pathOf(peerSource(1, ebgp), attributesOf([1], { med: 20 }))),
    lostBy: "higher MED: 20 > 10 among routes from AS 1",
  },
  {
    step: "missing MED as 0",
    winner: candidate(pathOf(peerSource(2), attributesOf())),
    loser: candidate(pathOf(peerSource(1), attributesOf([], { med: 1 }))),
    lostBy: "higher MED: 1 > 0 among routes of this AS",
  },
  {
    step: "eBGP over iBGP",
    winner: candidate(pathOf(peerSource(2, ebgp), attributesOf([1])), 10),
    loser: candidate(pathOf(peerSource(1), attributesOf([2])), 0),
    lostBy: "iBGP, and there is an eBGP path",
  },
  {
    step: "nearer next hop",
    winner: candidate(pathOf(peerSource(2), attributesOf()), 5),
    loser: candidate(pathOf(peerSource(1), attributesOf()), 7),
    lostBy: "higher IGP metric: 7 > 5",
  },
  {
    step: "ORIGINATOR_ID in place of the router id",
    winner: candidate(pathOf(peerSource(9), attributesOf([], { originatorId: 0x0a000001, clusterList: [1, 2] }))),
    loser: candidate(pathOf(peerSource(2), attributesOf())),
    lostBy: "higher router id: 10.0.0.2 > 10.0.0.1",
  },
  {
    step: "shorter CLUSTER_LIST",
    winner: candidate(pathOf(peerSource(9), attributesOf([], { originatorId: 7, clusterList: [1] }))),
    loser: candidate(pathOf(peerSource(1), attributesOf([], { originatorId: 7, clusterList: [1, 2] }))),
    lostBy: "longer CLUSTER_LIST: 2 > 1",
  },
  {
    step: "lower peer address",
    winner: candidate(pathOf(peerSource(1, { identifier: 7 }), attributesOf(), { pathId: 2 })),
    loser: candidate(pathOf(peerSource(2, { identifier: 7 }), attributesOf(), { pathId: 1 })),
    lostBy: "higher peer address: 10.0.0.2 > 10.0.0.1",
  },
  {
    step: "lower path id",
    winner: candidate(pathOf(peerSource(1), attributesOf(), { pathId: 1 })),
    loser: candidate(pathOf(peerSource(1), attributesOf(), { pathId: 2 })),
    lostBy: "higher path id: 2 > 1",
  },
];

describe("the decision process", () => {
  it.each(cases)("prefers $step, whoever came first, and says why the other lost", ({ winner, loser, lostBy }) => {
    for (const order of [
      [winner, loser],
      [loser, winner],
    ]) {
      const losses: { path: Path; reason: string }[] = [];
      const chosen = decide(order, single, ({ path }, reason) => losses.push({ path, reason }));
      expect(chosen).toEqual([winner.path]);
      expect(losses).toEqual([{ path: loser.path, reason: lostBy }]);
    }
  });

  it("chooses nothing without candidates or without a next hop that can be reached", () => {
    expect(decide([], multi)).toEqual([]);
    expect(decide([{ path: pathOf(peerSource(1), attributesOf()), igpMetric: undefined }], multi)).toEqual([]);
  });

  it("compares MED within a neighbour AS only, so that no order of arrival changes the winner", () => {
    // The classic cycle: a beats b by router id, b beats c by IGP metric, c beats a by MED.
    const a = candidate(pathOf(peerSource(1), attributesOf([10], { med: 20 })), 1);
    const b = candidate(pathOf(peerSource(2), attributesOf([20], { med: 30 })), 1);
    const c = candidate(pathOf(peerSource(3), attributesOf([10], { med: 10 })), 2);
    for (const order of permutations([a, b, c])) expect(decide(order, single)).toEqual([b.path]);
  });

  it("gives the same list for every order of a set in which every step decides something", () => {
    const all = [
      ...cases.slice(6).flatMap(({ winner, loser }) => [winner, loser]),
      candidate(pathOf(peerSource(20, ebgp), attributesOf([1], { med: 5, localPref: 100 })), 3),
    ].slice(0, 7);
    const expected = decide(all, multi);
    for (const order of permutations(all)) expect(decide(order, multi)).toEqual(expected);
  });
});

describe("multipath", () => {
  const equal = (number: number, others: Partial<Path> = {}): Candidate =>
    candidate(pathOf(peerSource(number), attributesOf([1, 2]), others));

  it("takes all equals, best first and in the order of the tie breakers", () => {
    const paths = [equal(3), equal(1), equal(2)];
    expect(decide(paths, multi).map(({ nextHop }) => `${nextHop?.address}`)).toEqual([
      "10.0.0.1",
      "10.0.0.2",
      "10.0.0.3",
    ]);
  });

  it("stops at the limit", () => {
    expect(decide([equal(3), equal(1), equal(2)], { ...multi, multipathLimit: 2 })).toHaveLength(2);
  });

  it("takes one path per next hop", () => {
    const same = { nextHop: via("10.9.9.9") };
    expect(decide([equal(1, same), equal(2, same), equal(3)], multi).map(({ source }) => source)).toEqual([
      peerSource(1),
      peerSource(3),
    ]);
  });

  it("takes other AS_PATHs of the same length only when relaxed", () => {
    const other = candidate(pathOf(peerSource(2), attributesOf([3, 4])));
    const longer = candidate(pathOf(peerSource(3), attributesOf([3, 4, 5])));
    expect(decide([equal(1), other, longer], multi)).toHaveLength(1);
    expect(decide([equal(1), other, longer], { ...multi, multipathRelaxed: true })).toEqual([
      equal(1).path,
      other.path,
    ]);
  });

  it("leaves out what lost by IGP metric", () => {
    expect(decide([equal(1), { ...equal(2), igpMetric: 1 }], multi)).toHaveLength(1);
  });

  it("ignores the link-local half of a next hop when it looks for distinct ones", () => {
    const address = addressOf("fd00::1");
    const one = equal(1, { nextHop: { address, linkLocal: addressOf("fe80::1") } });
    expect(decide([one, equal(2, { nextHop: { address } })], multi)).toHaveLength(1);
  });
});
