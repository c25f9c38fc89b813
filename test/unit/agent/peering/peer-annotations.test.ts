import { describe, expect, test } from "vitest";
import { readPeerAnnotations } from "../../../../src/agent/peering/peer-annotations.ts";

const read = (annotations: Readonly<Record<string, string>>) => readPeerAnnotations("BGPPeer tor", annotations);

describe("annotations of a BGPPeer", () => {
  test("that ask for BFD fill in what they leave out", () => {
    expect(read({ "calibird.io/bfd": "true" })).toEqual({
      options: { bfd: { intervalMs: 300, multiplier: 3, hops: "auto" } },
      problems: [],
    });
    expect(read({ "calibird.io/bfd": "interval=50ms, multiplier=5, hops=single" }).options).toEqual({
      bfd: { intervalMs: 50, multiplier: 5, hops: "single" },
    });
    expect(read({ "calibird.io/bfd": "false" })).toEqual({ options: {}, problems: [] });
  });

  test("set the hold time and who dials", () => {
    expect(read({ "calibird.io/hold-time": "9s", "calibird.io/passive": "true" }).options).toEqual({
      holdTimeSec: 9,
      passive: true,
    });
    expect(read({ "calibird.io/hold-time": "0" }).options).toEqual({ holdTimeSec: 0 });
  });

  test("ask for routes that are kept for long", () => {
    expect(read({ "calibird.io/long-lived-stale-time": "86400s" }).options).toEqual({
      longLivedGracefulRestart: { staleTimeSec: 86_400 },
    });
  });

  test("take the session down with a text, and say what this node is to the peer", () => {
    expect(read({ "calibird.io/shutdown": "new cables" }).options).toEqual({ shutdown: { message: "new cables" } });
    expect(read({ "calibird.io/role": "customer" }).options).toEqual({ role: { local: "customer" } });
    expect(read({ "calibird.io/role": "peer, strict" }).options).toEqual({ role: { local: "peer", strict: true } });
  });

  test.each([
    ["calibird.io/long-lived-stale-time", "1d", /wants seconds from 0 to 16777215 such as 86400s, not "1d"$/],
    ["calibird.io/long-lived-stale-time", "16777216", /wants seconds from 0 to 16777215/],
    ["calibird.io/role", "friend", /wants one of provider, route-server, .*, not "friend"$/],
    ["calibird.io/role", "peer,lax", /",strict" to refuse peers without a role, not "peer,lax"$/],
    ["calibird.io/bfd", "interval=5ms", /interval=10ms…60000ms.*, not "interval=5ms"$/],
    ["calibird.io/bfd", "speed=fast", /wants true, false, or interval/],
    ["calibird.io/hold-time", "2", /wants 0, or seconds from 3 to 65535/],
    ["calibird.io/passive", "yes", /wants "true" or "false", not "yes"/],
    ["calibird.io/bdf", "true", /there is no annotation calibird.io\/bdf; did you mean "calibird.io\/bfd"\?/],
    ["calibird.io/constructor", "true", /there is no annotation calibird.io\/constructor/],
  ])("%s: %s is left out, and the operator is told what would be right", (key, value, problem) => {
    const { options, problems } = read({ [key]: value });
    expect(options).toEqual({});
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).toMatch(/^BGPPeer tor: /);
  });

  test("of others are none of our business", () => {
    expect(read({ "example.com/bfd": "nonsense" })).toEqual({ options: {}, problems: [] });
    expect(readPeerAnnotations("BGPPeer tor", undefined)).toEqual({ options: {}, problems: [] });
  });
});
