import { describe, expect, test } from "vitest";
import { step } from "../../../../src/bgp/fsm/peer.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { stepByTheLetter } from "./literal-speaker.ts";
import { FsmBench, fsmContext, remoteOpen } from "./support.ts";
import { establishedLinks, exploreAllOrders, type Speaker } from "./two-speakers.ts";

const gracefulRestart = { restartTimeSec: 120 };

const pairs: readonly {
  readonly title: string;
  readonly ids: readonly [number, number];
  readonly configs: readonly [Partial<PeerConfig>, Partial<PeerConfig>];
}[] = [
  { title: "the first has the higher identifier", ids: [2, 1], configs: [{}, {}] },
  { title: "the second has the higher identifier", ids: [1, 2], configs: [{}, {}] },
  {
    title: "identifiers are equal and the first has the higher AS",
    ids: [7, 7],
    configs: [
      { localAs: 65002, remoteAs: 65001 },
      { localAs: 65001, remoteAs: 65002 },
    ],
  },
  {
    title: "both restart gracefully and the first has the higher identifier",
    ids: [2, 1],
    configs: [{ gracefulRestart }, { gracefulRestart }],
  },
  {
    title: "both restart gracefully and the second has the higher identifier",
    ids: [1, 2],
    configs: [{ gracefulRestart }, { gracefulRestart }],
  },
];

describe("two speakers that dial each other", () => {
  for (const { title, ids, configs } of pairs)
    for (const delayOpenMs of [0, 1000])
      test(`agree on one connection and never lose it, in every order: ${title}, DelayOpen ${delayOpenMs} ms`, () => {
        const contexts = [0, 1].map((side) =>
          fsmContext({ routerId: ids[side] ?? 0, config: configs[side] ?? {}, timing: { delayOpenMs } }),
        );
        const [first, second] = contexts;
        if (first === undefined || second === undefined) throw new Error("two contexts are needed");
        let endings = 0;
        const worlds = exploreAllOrders(
          [
            { context: first, step },
            { context: second, step },
          ],
          (world) => {
            endings++;
            const [mine, theirs] = establishedLinks(world);
            const outcome = {
              mine: mine.length,
              same: mine[0] === theirs[0],
              theirs: theirs.length,
              flaps: world.flaps,
            };
            expect(outcome, world.history.join("\n")).toEqual({ mine: 1, same: true, theirs: 1, flaps: 0 });
          },
        );
        expect(endings).toBeGreaterThan(1);
        expect(worlds).toBeGreaterThan(100);
      });
});

/** How often each outcome came up over all orders: Established connections of the first and the second, if it is the same. */
function outcomes(first: Speaker, second: Speaker): Map<string, readonly string[]> {
  const seen = new Map<string, readonly string[]>();
  exploreAllOrders([first, second], (world) => {
    const [mine, theirs] = establishedLinks(world);
    seen.set(`${mine.length} and ${theirs.length}, ${mine[0] === theirs[0] ? "the same" : "different"}`, world.history);
  });
  return seen;
}

describe("with a speaker that settles collisions by the letter of RFC 4271", () => {
  for (const [id, remoteId] of [
    [1, 2],
    [2, 1],
  ] as const)
    for (const config of [{}, { gracefulRestart }])
      test(`ours ends with one connection in every order: identifiers ${id} and ${remoteId}, ${JSON.stringify(config)}`, () => {
        const seen = outcomes(
          { context: fsmContext({ routerId: id, config }), step },
          { context: fsmContext({ routerId: remoteId, config }), step: stepByTheLetter },
        );
        expect([...seen.keys()], [...seen.values()].flat().join("\n")).toEqual(["1 and 1, the same"]);
      });

  test("its own kind loses both connections in some orders, which is why ours does not follow the letter", () => {
    const speakers = [1, 2].map((routerId) => ({ context: fsmContext({ routerId }), step: stepByTheLetter }));
    const [first, second] = speakers;
    if (first === undefined || second === undefined) throw new Error("two speakers are needed");
    expect([...outcomes(first, second).keys()]).toContain("0 and 0, the same");
  });
});

describe("a connection on which the peer says nothing", () => {
  /** We are dominant, dial, and something takes the connection; then the peer dials us. */
  const afterSilence = (silenceMs: number): FsmBench => {
    const bench = new FsmBench({ routerId: 0x0a0000ff });
    bench.openSent();
    bench.advance(silenceMs);
    bench.accept();
    bench.receive(remoteOpen());
    return bench;
  };

  test("wins a collision while the peer may yet answer", () => {
    const bench = afterSilence(9_999);
    expect(bench.of("close").map(({ connection }) => connection)).toEqual([2]);
  });

  test("loses it when it has lasted, so that the peer itself comes through", () => {
    const bench = afterSilence(10_000);
    expect(bench.of("close")).toMatchObject([{ connection: 1, notification: { code: 6, subcode: 7 } }]);
    bench.receive({ type: "keepalive" });
    expect(bench.of("established")).toMatchObject([{ connection: 2 }]);
  });
});
