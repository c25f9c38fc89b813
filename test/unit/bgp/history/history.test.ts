import { describe, expect, it } from "vitest";
import { EventRing } from "../../../../src/bgp/history/event-ring.ts";
import type { HistoryEvent } from "../../../../src/bgp/history/history.ts";
import type { Policy } from "../../../../src/bgp/policy/types.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { acceptPolicy, attributesOf, peerConfigOf, prefixOf } from "../../../support/bgp.ts";
import { ScriptedSpeaker } from "../../../support/scripted-speaker.ts";

const prefix = "10.1.0.0/26";
const learned = (localPref: number) => attributesOf([], { localPref });

const client = (number: number, others: Partial<PeerConfig> = {}): PeerConfig =>
  peerConfigOf(
    { name: `peer-${number}`, address: `10.0.0.${number}`, port: 179 },
    { routeReflectorClient: true, ...others },
  );

async function remembering(history: number | undefined, ...configs: PeerConfig[]) {
  const speaker = new ScriptedSpeaker(history === undefined ? {} : { history });
  speaker.core.setPeers(configs);
  await speaker.core.start();
  for (const { name } of configs) speaker.session(name).up();
  speaker.settle();
  return speaker;
}

const tenDot: Policy = {
  ...acceptPolicy,
  name: "no 10",
  rules: [{ name: "10", match: { prefixes: [{ prefix: prefixOf("10.0.0.0/8"), operator: "in" }] }, action: "reject" }],
};

const textOf = (event: HistoryEvent): string => {
  switch (event.kind) {
    case "session":
      return `${event.atMs} ${event.peer} ${event.state} ${event.reason?.text ?? ""}`.trim();
    case "refused":
      return `${event.atMs} ${event.direction} ${event.prefix} of ${event.peer}: ${event.reason} +${event.omitted}`;
    case "best-path": {
      const names = event.paths.map(({ source }) => (source.kind === "peer" ? source.peer : "own"));
      const why = event.runnerUp === undefined ? "" : ` by ${event.runnerUp.rule}: ${event.runnerUp.lostBy}`;
      return `${event.atMs} ${event.prefix} ${names.join(",") || "none"}${why}`;
    }
  }
};

describe("a ring of events", () => {
  it("keeps the last ones in their order", () => {
    const ring = new EventRing<number>(3);
    expect([...ring]).toEqual([]);
    for (const number of [1, 2]) ring.add(number);
    expect([...ring]).toEqual([1, 2]);
    for (const number of [3, 4, 5, 6, 7]) ring.add(number);
    expect([...ring]).toEqual([5, 6, 7]);
  });

  it("of no size keeps nothing", () => {
    const ring = new EventRing<number>(0);
    ring.add(1);
    expect([...ring]).toEqual([]);
  });
});

describe("the history of a speaker", () => {
  it("tells every change of the best path, with the step that decided as things were then", async () => {
    const speaker = await remembering(100, client(1), client(2), client(3));
    const [one, two] = [speaker.session("peer-1"), speaker.session("peer-2")];
    const at = (ms: number, change: () => void) => {
      speaker.clock.advance(ms - speaker.clock.wallMs());
      change();
      speaker.settle();
    };
    at(1000, () => one.announce(prefix, learned(100)));
    at(2000, () => two.announce(prefix, learned(200)));
    at(3000, () => one.announce(prefix, learned(300)));
    at(4000, () => two.withdraw(prefix));
    at(5000, () => one.withdraw(prefix));
    const events = speaker.core.history({ prefix: prefixOf(prefix) });
    expect(events.map(textOf)).toEqual([
      `1000 ${prefix} peer-1`,
      `2000 ${prefix} peer-2 by local-pref: lower LOCAL_PREF: 100 < 200`,
      `3000 ${prefix} peer-1 by local-pref: lower LOCAL_PREF: 200 < 300`,
      `5000 ${prefix} none`,
    ]);
  });

  it("names of several rivals the one that came closest", async () => {
    const speaker = await remembering(100, client(1), client(2), client(3));
    speaker.session("peer-1").announce(prefix, learned(100));
    speaker.session("peer-2").announce(prefix, attributesOf([], { localPref: 200, origin: 2 }));
    speaker.session("peer-3").announce(prefix, learned(200));
    speaker.settle();
    expect(
      speaker.core
        .history()
        .filter(({ kind }) => kind === "best-path")
        .map(textOf),
    ).toEqual([`0 ${prefix} peer-3 by origin: worse ORIGIN: incomplete after IGP`]);
  });

  it("tells what loop checks and policies refused, on the way in and out, and counts what was too much", async () => {
    const speaker = await remembering(
      1000,
      client(1, { importPolicy: tenDot }),
      client(2, { exportPolicy: tenDot }),
      client(3),
    );
    const [one, three] = [speaker.session("peer-1"), speaker.session("peer-3")];
    one.announce(prefix, learned(100));
    speaker.clock.advance(1000);
    three.announce("10.2.0.0/26", learned(100));
    speaker.settle();
    const refused = () => speaker.core.history().filter(({ kind }) => kind === "refused");
    expect(refused().map(textOf)).toEqual([
      `0 import ${prefix} of peer-1: policy no 10 rule 10 rejected +0`,
      "1000 export 10.2.0.0/26 of peer-3: policy no 10 rule 10 rejected +0",
    ]);
    speaker.clock.advance(1000);
    for (let number = 0; number < 120; number++) one.announce(`10.3.${number}.0/24`, learned(100));
    expect(refused()).toHaveLength(52);
    speaker.clock.advance(1000);
    one.announce("10.4.0.0/24", learned(100));
    expect(refused().map(textOf).at(-1)).toBe("3000 import 10.4.0.0/24 of peer-1: policy no 10 rule 10 rejected +70");
  });

  it("tells of sessions, which no flood of routes washes away, and can be asked from a time on", async () => {
    const speaker = await remembering(5, client(1), client(2));
    const one = speaker.session("peer-1");
    speaker.clock.advance(1000);
    one.down("hold-timer-expired");
    speaker.clock.advance(1000);
    for (let number = 0; number < 50; number++) speaker.session("peer-2").announce(`10.3.${number}.0/24`, learned(100));
    speaker.settle();
    const events = speaker.core.history();
    expect(events.filter(({ kind }) => kind === "session").map(textOf)).toEqual([
      "0 peer-1 Established",
      "0 peer-2 Established",
      "1000 peer-1 Idle hold-timer-expired",
    ]);
    expect(events).toHaveLength(8);
    expect(speaker.core.history({ sinceMs: 1000 })).toHaveLength(6);
    expect(speaker.core.history({ prefix: prefixOf("10.3.49.0/24") })).toHaveLength(1);
  });

  it("is empty if nobody wants one", async () => {
    const speaker = await remembering(undefined, client(1));
    speaker.session("peer-1").announce(prefix, learned(100));
    speaker.settle();
    expect(speaker.core.history()).toEqual([]);
  });
});
