import { describe, expect, it } from "vitest";
import { historyView, parseHistoryQuery } from "../../../../src/agent/api/history-view.ts";
import { attributesOf, pathOf, peerSource, prefixOf, via } from "../../../support/bgp.ts";

const at = { at: "1970-01-01T00:00:01.000Z" };
const prefix = prefixOf("10.1.0.0/26");

describe("a past event, for people", () => {
  it("says of a session how it ended", () => {
    const reason = { kind: "notification-received", text: 'Cease: Administrative Shutdown "node drained"' } as const;
    expect(historyView({ kind: "session", atMs: 1000, peer: "tor", state: "Idle", reason })).toEqual({
      ...at,
      kind: "session",
      peer: "tor",
      prefix: null,
      text: 'Idle: Cease: Administrative Shutdown "node drained"',
      rule: null,
    });
  });

  it("says of a refusal which way, by what, and how many went before it unseen", () => {
    const event = {
      kind: "refused",
      atMs: 1000,
      prefix,
      peer: "tor",
      reason: "policy import rule x rejected",
    } as const;
    expect(historyView({ ...event, direction: "import", omitted: 0 }).text).toBe(
      "not taken: policy import rule x rejected",
    );
    expect(historyView({ ...event, peer: undefined, direction: "export", omitted: 7 })).toMatchObject({
      peer: null,
      text: "not passed on: policy import rule x rejected (and 7 more before)",
    });
  });

  it("says of a best path whose it is and what it won by", () => {
    const best = pathOf(peerSource(1), attributesOf([65001]), { prefix });
    const path = pathOf(peerSource(2), attributesOf([65001, 65002]), { prefix, nextHop: via("10.0.0.9") });
    const runnerUp = { path, best: false, multipath: false, lostBy: "longer AS_PATH: 2 > 1", rule: "as-path" } as const;
    expect(historyView({ kind: "best-path", atMs: 1000, prefix, paths: [best], runnerUp })).toEqual({
      ...at,
      kind: "best-path",
      peer: "peer-1",
      prefix: "10.1.0.0/26",
      text:
        "best is that of peer-1 via 10.0.0.1, AS path 65001; " +
        "that of peer-2 via 10.0.0.9, AS path 65001 65002 lost: longer AS_PATH: 2 > 1",
      rule: "as-path",
    });
    expect(historyView({ kind: "best-path", atMs: 1000, prefix, paths: [] })).toMatchObject({
      peer: null,
      text: "no path is left",
      rule: null,
    });
  });
});

describe("the question for past events", () => {
  const parse = (query: string) => parseHistoryQuery(new URLSearchParams(query));

  it("may name a prefix or an address, and a time", () => {
    expect(parse("")).toEqual({});
    expect(parse("prefix=10.1.0.0/26&since=1970-01-01T00:00:01Z")).toEqual({ prefix, sinceMs: 1000 });
    expect(parse("prefix=10.1.0.1").prefix?.toString()).toBe("10.1.0.1/32");
  });

  it("is refused with what is wrong with it", () => {
    expect(() => parse("prefix=pods")).toThrow('prefix: "pods" is neither an address nor a prefix');
    expect(() => parse("since=yesterday")).toThrow('since: "yesterday" is no time');
  });
});
