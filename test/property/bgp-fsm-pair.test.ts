import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { step } from "../../src/bgp/fsm/peer.ts";
import { initialPeerState } from "../../src/bgp/fsm/peer-state.ts";
import type { FsmContext } from "../../src/bgp/fsm/types.ts";
import { IpAddress } from "../../src/net/address.ts";
import { type Disturbance, type Side, SimulatedPair } from "../support/simulated-pair.ts";
import { fsmContext } from "../unit/bgp/fsm/support.ts";

/** What may differ between the two sides. */
const sideSettings = fc.record({
  passive: fc.boolean(),
  graceful: fc.boolean(),
  delayOpenMs: fc.constantFrom(0, 0, 2_000),
  holdTimeSec: fc.constantFrom(0, 3, 90),
});

const side = fc.constantFrom<Side>(0, 1);
const disturbance: fc.Arbitrary<Disturbance> = fc.oneof(
  // TCP dies at both ends, at one end only (the other finds out by silence), or the path loses everything for a while.
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("reset" as const), newest: fc.nat(2) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("half-open" as const), newest: fc.nat(2), side }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("silence" as const), forMs: fc.integer({ min: 1, max: 200_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant("refuse" as const), side, forMs: fc.integer({ min: 1, max: 60_000 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("late-timers" as const),
      side,
      byMs: fc.integer({ min: 1, max: 30_000 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("stop" as const),
      side,
      forMs: fc.integer({ min: 0, max: 30_000 }),
      farewell: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("crash" as const), side, forMs: fc.integer({ min: 0, max: 30_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("garbage" as const), side }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("traffic" as const), side }) },
);

const chaos = fc.array(fc.tuple(fc.integer({ min: 0, max: 60_000 }), disturbance), { maxLength: 12 });

interface Settings {
  readonly passive: boolean;
  readonly graceful: boolean;
  readonly delayOpenMs: number;
  readonly holdTimeSec: number;
}

function contexts(
  [a, b]: readonly [Settings, Settings],
  higherFirst: boolean,
  external: boolean,
): [FsmContext, FsmContext] {
  const ids = higherFirst ? [2, 1] : [1, 2];
  const numbers = external ? [64512, 65001] : [64512, 64512];
  const make = (own: Settings, at: Side): FsmContext =>
    fsmContext({
      routerId: ids[at] ?? 0,
      config: {
        address: IpAddress.parse(`10.0.0.${2 - at}`),
        // Two that only wait never meet.
        passive: own.passive && !(a.passive && b.passive),
        holdTimeSec: own.holdTimeSec,
        localAs: numbers[at] ?? 0,
        remoteAs: numbers[1 - at] ?? 0,
        ...(own.graceful ? { gracefulRestart: { restartTimeSec: 120 } } : {}),
      },
      timing: { delayOpenMs: own.delayOpenMs },
    });
  return [make(a, 0), make(b, 1)];
}

describe("two state machines on a network that fails", () => {
  test("agree on one session once it stops failing, whatever happened, and keep nothing besides", () => {
    let sessions = 0;
    fc.assert(
      fc.property(
        fc.tuple(sideSettings, sideSettings),
        fc.boolean(),
        fc.boolean(),
        chaos,
        fc.integer({ min: 1, max: 2 ** 31 - 1 }),
        (settings, higherFirst, external, disturbances, seed) => {
          const pair = new SimulatedPair(contexts(settings, higherFirst, external), { step, initialPeerState }, seed);
          for (const [atMs, what] of disturbances) pair.schedule(atMs, what);
          // Long enough for the hold time of an OPEN that never comes, the longest back-off and some dials.
          pair.run(60_000 + 200_000 + 60_000 + 600_000);
          const [first, second] = pair.establishedLinks();
          expect(first, pair.history).toHaveLength(1);
          expect(second, pair.history).toEqual(first);
          // With a hold time of zero nobody notices what the other side has lost: such a rest may stay, but no session.
          expect(pair.strayTimers(), pair.history).toEqual([]);
          if (settings.every(({ holdTimeSec }) => holdTimeSec > 0))
            expect(pair.strayConnections(), pair.history).toEqual([]);
          const flaps = pair.flaps;
          // A collision costs no session.
          if (disturbances.length === 0) expect(flaps, pair.history).toBe(0);
          pair.run(600_000);
          expect(pair.flaps, pair.history).toBe(flaps);
          sessions += pair.sessions;
        },
      ),
      { numRuns: 150 },
    );
    // The runs were worth something: on average more than one session each.
    expect(sessions).toBeGreaterThan(300);
  });
});
