import { describe, expect, it } from "vitest";
import type { DecisionRule, Path } from "../../../../src/bgp/paths.ts";
import { decide, type Loss } from "../../../../src/bgp/rib/decision.ts";
import {
  type Candidate,
  type DecisionOptions,
  defaultDecisionOptions,
} from "../../../../src/bgp/rib/decision-steps.ts";
import { addressOf, attributesOf, pathOf, peerSource, via } from "../../../support/bgp.ts";
import { permutations } from "../../../support/permutations.ts";

const multi: DecisionOptions = defaultDecisionOptions;
const single: DecisionOptions = { ...multi, multipathEbgp: 1, multipathIbgp: 1 };

const candidate = (path: Path, igpMetric: number | undefined = 0): Candidate => ({ path, igpMetric });
const ebgp = { type: "ebgp" } as const;

interface Case {
  readonly step: string;
  readonly rule: DecisionRule;
  readonly winner: Candidate;
  readonly loser: Candidate;
  readonly lostBy: string;
}

/** One case per step, in the order of the steps; the loser is better in the step after it. */
const cases: readonly Case[] = [
  {
    step: "a next hop that can be reached",
    rule: "next-hop",
    winner: candidate(pathOf(peerSource(2), attributesOf([], { localPref: 1 }))),
    loser: { path: pathOf(peerSource(1), attributesOf([], { localPref: 500 })), igpMetric: undefined },
    lostBy: "next hop 10.0.0.1 cannot be reached",
  },
  {
    step: "higher LOCAL_PREF",
    rule: "local-pref",
    winner: candidate(pathOf(peerSource(2), attributesOf([1, 2], { localPref: 200 }))),
    loser: candidate(pathOf({ kind: "local" }, attributesOf())),
    lostBy: "lower LOCAL_PREF: 100 < 200",
  },
  {
    step: "a route of our own",
    rule: "own-route",
    winner: candidate(pathOf({ kind: "local" }, attributesOf([1, 2]))),
    loser: candidate(pathOf(peerSource(1), attributesOf([1]))),
    lostBy: "learned, and there is a route of our own",
  },
  {
    step: "shorter AS_PATH",
    rule: "as-path",
    winner: candidate(pathOf(peerSource(2), attributesOf([1], { origin: 2 }))),
    loser: candidate(pathOf(peerSource(1), attributesOf([1, 2, 3]))),
    lostBy: "longer AS_PATH: 3 > 1",
  },
  {
    step: "better ORIGIN",
    rule: "origin",
    winner: candidate(pathOf(peerSource(2), attributesOf([1], { med: 10 }))),
    loser: candidate(pathOf(peerSource(1), attributesOf([1], { origin: 2 }))),
    lostBy: "worse ORIGIN: incomplete after IGP",
  },
  {
    step: "lower MED",
    rule: "med",
    winner: candidate(pathOf(peerSource(2), attributesOf([1], { med: 10 }))),
    loser: candidate(pathOf(peerSource(1, ebgp), attributesOf([1], { med: 20 }))),
    lostBy: "higher MED: 20 > 10 among routes from AS 1",
  },
  {
    step: "missing MED as 0",
    rule: "med",
    winner: candidate(pathOf(peerSource(2), attributesOf())),
    loser: candidate(pathOf(peerSource(1), attributesOf([], { med: 1 }))),
    lostBy: "higher MED: 1 > 0 among routes of this AS",
  },
  {
    step: "eBGP over iBGP",
    rule: "external",
    winner: candidate(pathOf(peerSource(2, ebgp), attributesOf([1])), 10),
    loser: candidate(pathOf(peerSource(1), attributesOf([2])), 0),
    lostBy: "iBGP, and there is an eBGP path",
  },
  {
    step: "nearer next hop",
    rule: "igp-metric",
    winner: candidate(pathOf(peerSource(2), attributesOf()), 5),
    loser: candidate(pathOf(peerSource(1), attributesOf()), 7),
    lostBy: "higher IGP metric: 7 > 5",
  },
  {
    step: "ORIGINATOR_ID in place of the router id",
    rule: "router-id",
    winner: candidate(pathOf(peerSource(9), attributesOf([], { originatorId: 0x0a000001, clusterList: [1, 2] }))),
    loser: candidate(pathOf(peerSource(2), attributesOf())),
    lostBy: "higher router id: 10.0.0.2 > 10.0.0.1",
  },
  {
    step: "shorter CLUSTER_LIST",
    rule: "cluster-list",
    winner: candidate(pathOf(peerSource(9), attributesOf([], { originatorId: 7, clusterList: [1] }))),
    loser: candidate(pathOf(peerSource(1), attributesOf([], { originatorId: 7, clusterList: [1, 2] }))),
    lostBy: "longer CLUSTER_LIST: 2 > 1",
  },
  {
    step: "lower peer address",
    rule: "peer-address",
    winner: candidate(pathOf(peerSource(1, { identifier: 7 }), attributesOf(), { pathId: 2 })),
    loser: candidate(pathOf(peerSource(2, { identifier: 7 }), attributesOf(), { pathId: 1 })),
    lostBy: "higher peer address: 10.0.0.2 > 10.0.0.1",
  },
  {
    step: "lower path id",
    rule: "path-id",
    winner: candidate(pathOf(peerSource(1), attributesOf(), { pathId: 1 })),
    loser: candidate(pathOf(peerSource(1), attributesOf(), { pathId: 2 })),
    lostBy: "higher path id: 2 > 1",
  },
];

describe("the decision process", () => {
  it.each(cases)(
    "prefers $step, whoever came first, and says why the other lost",
    ({ rule, winner, loser, lostBy }) => {
      for (const order of [
        [winner, loser],
        [loser, winner],
      ]) {
        const losses: { path: Path; loss: Loss }[] = [];
        const chosen = decide(order, single, ({ path }, loss) => losses.push({ path, loss }));
        expect(chosen).toEqual([winner.path]);
        expect(losses).toEqual([{ path: loser.path, loss: { rule, text: lostBy } }]);
      }
    },
  );

  it("chooses nothing without candidates or without a next hop that can be reached", () => {
    expect(decide([], multi)).toEqual([]);
    expect(decide([{ path: pathOf(peerSource(1), attributesOf()), igpMetric: undefined }], multi)).toEqual([]);
  });

  it.each([
    {
      option: "asPathIgnore",
      settings: { asPathIgnore: true },
      without: candidate(pathOf(peerSource(2), attributesOf([1]))),
      withIt: candidate(pathOf(peerSource(1), attributesOf([1, 2]))),
    },
    {
      option: "alwaysCompareMed",
      settings: { alwaysCompareMed: true },
      without: candidate(pathOf(peerSource(1), attributesOf([1], { med: 20 }))),
      withIt: candidate(pathOf(peerSource(2), attributesOf([2], { med: 10 }))),
    },
    {
      option: "missingMedIsWorst",
      settings: { missingMedIsWorst: true },
      without: candidate(pathOf(peerSource(2), attributesOf([1]))),
      withIt: candidate(pathOf(peerSource(1), attributesOf([1], { med: 10 }))),
    },
    {
      option: "compareRouterId: false",
      settings: { compareRouterId: false },
      without: candidate(pathOf(peerSource(2, { identifier: 1 }), attributesOf())),
      withIt: candidate(pathOf(peerSource(1, { identifier: 2 }), attributesOf())),
    },
  ])("chooses otherwise with $option, and only then", ({ settings, without, withIt }) => {
    for (const order of permutations([without, withIt])) {
      expect(decide(order, single)).toEqual([without.path]);
      expect(decide(order, { ...single, ...settings })).toEqual([withIt.path]);
    }
  });

  it("says of a missing MED that counts as the worst what it is", () => {
    const texts: string[] = [];
    const some = candidate(pathOf(peerSource(1), attributesOf([1], { med: 10 })));
    const none = candidate(pathOf(peerSource(2), attributesOf([1])));
    decide([none, some], { ...single, missingMedIsWorst: true }, (_, { text }) => texts.push(text));
    expect(texts).toEqual(["no MED, and there is 10 among routes from AS 1"]);
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
    expect(decide([equal(3), equal(1), equal(2)], { ...multi, multipathIbgp: 2, multipathEbgp: 1 })).toHaveLength(2);
    const external = [3, 1, 2].map((number) => candidate(pathOf(peerSource(number, ebgp), attributesOf([1, 2]))));
    expect(decide(external, { ...multi, multipathIbgp: 2, multipathEbgp: 1 })).toHaveLength(1);
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
