import { describe, expect, test } from "vitest";
import { sessionStateOf } from "../../../../src/bgp/fsm/peer-state.ts";
import type { BgpMessage, OpenMessage } from "../../../../src/bgp/packet/message.ts";
import type { PeerConfig } from "../../../../src/bgp/types.ts";
import { FsmBench, remoteOpen } from "./support.ts";

function refusal(subcode: number, ...data: number[]): BgpMessage {
  return { type: "notification", code: 2, subcode, data: Uint8Array.from(data) };
}

/** The OPEN of the last step. */
function sentOpen(bench: FsmBench): OpenMessage {
  for (const { message } of bench.of("send")) if (message.type === "open") return message;
  throw new Error("no OPEN was sent");
}

const kinds = (open: OpenMessage) => open.capabilities.map(({ kind }) => kind);
const gracefulRestart = { restartTimeSec: 120 };

/** What the next OPEN offers after the peer has answered the first with `answer`. */
function offeredAfter(answer: BgpMessage, config: Partial<PeerConfig> = {}): string[] {
  const bench = new FsmBench({ config: { gracefulRestart, ...config } });
  bench.openSent();
  bench.receive(answer);
  bench.openSent();
  return kinds(sentOpen(bench));
}

const everything = [
  "multiprotocol",
  "route-refresh",
  "extended-message",
  "graceful-restart",
  "long-lived-graceful-restart",
  "four-octet-as",
  "enhanced-route-refresh",
];

describe("a peer that refuses capabilities", () => {
  test("as a whole, with 2/4, gets an OPEN without any, soon and without a wait for errors", () => {
    const bench = new FsmBench({ random: 0.5 });
    bench.openSent();
    bench.receive(refusal(4, 2, 0));
    expect(sessionStateOf(bench.state)).toBe("Active");
    expect(bench.of("arm-peer")).toEqual([{ type: "arm-peer", timer: "connect-retry", delayMs: 1_000 }]);
    expect(bench.state.lastReason?.text).toMatch(/Unsupported Optional Parameter; trying again without capabilities$/);
    bench.openSent();
    expect(sentOpen(bench).capabilities).toEqual([]);
  });

  test("by name, with 2/7, gets an OPEN without those", () => {
    expect(offeredAfter(refusal(7, 70, 0, 6, 0))).toEqual(
      everything.filter((kind) => kind !== "enhanced-route-refresh" && kind !== "extended-message"),
    );
  });

  test("one after the other is not offered the first again", () => {
    const bench = new FsmBench({ config: { gracefulRestart } });
    for (const code of [70, 64]) {
      bench.openSent();
      bench.receive(refusal(7, code, 0));
    }
    bench.openSent();
    expect(kinds(sentOpen(bench))).toEqual(["multiprotocol", "route-refresh", "extended-message", "four-octet-as"]);
  });

  test.each([
    ["a family", refusal(7, 1, 4, 0, 1, 0, 1), {}],
    ["what we do not offer", refusal(7, 5, 0), {}],
    ["nothing in particular", refusal(7), {}],
    ["half a capability", refusal(7, 70), {}],
    ["four-octet AS numbers, and ours needs them", refusal(7, 65, 4, 0, 0, 0, 1), { localAs: 4_200_000_000 }],
    ["all, and our AS number needs one", refusal(4, 2, 0), { localAs: 4_200_000_000 }],
    ["all, and we have no IPv4", refusal(4, 2, 0), { families: ["ipv6-unicast"] as const }],
    ["another thing", refusal(6, 0, 240), {}],
  ])("naming %s is refused in turn: we wait as after any error", (_, answer, config) => {
    const bench = new FsmBench({ config });
    bench.openSent();
    bench.receive(answer);
    expect(bench.state.name).toBe("idle-hold");
    bench.feed({ type: "timer-expired", timer: "idle-hold" });
    bench.openSent();
    expect(sentOpen(bench).capabilities.length).toBeGreaterThan(3);
  });

  test("agrees with us on what our OPEN really offered", () => {
    const bench = new FsmBench({ config: { gracefulRestart } });
    bench.openSent();
    bench.receive(refusal(4, 2, 0));
    bench.establish(remoteOpen({ gracefulRestart }));
    expect(bench.of("established")[0]?.session).toMatchObject({
      fourOctetAs: false,
      routeRefresh: false,
      maxMessageLength: 4096,
      families: ["ipv4-unicast"],
    });
    expect(bench.of("established")[0]?.session.gracefulRestart).toBeUndefined();
  });

  test("is offered everything again after a session, and after a stop", () => {
    const bench = new FsmBench({ config: { gracefulRestart } });
    bench.openSent();
    bench.receive(refusal(4, 2, 0));
    bench.establish();
    bench.on({ type: "lost", kind: "tcp-closed", text: "gone" });
    bench.openSent();
    expect(kinds(sentOpen(bench))).toEqual(everything);
    bench.receive(refusal(4, 2, 0));
    bench.feed({ type: "stop", notification: undefined });
    bench.openSent();
    expect(kinds(sentOpen(bench))).toEqual(everything);
  });

  test("does so also when our OPEN waits for its delay or the peer has dialled", () => {
    const bench = new FsmBench({ timing: { delayOpenMs: 1_000 } });
    bench.feed({ type: "start" });
    bench.accept();
    bench.on({ type: "timer-expired", timer: "delay-open" });
    bench.receive(refusal(4, 2, 0));
    bench.accept();
    bench.on({ type: "timer-expired", timer: "delay-open" });
    expect(sentOpen(bench).capabilities).toEqual([]);
  });
});
