import { describe, expect, test } from "vitest";
import { sessionStateOf } from "../../../../src/bgp/fsm/peer-state.ts";
import type { ConnectionEvent, FsmAction } from "../../../../src/bgp/fsm/types.ts";
import type { BgpMessage } from "../../../../src/bgp/packet/message.ts";
import { Secret } from "../../../../src/core/secret.ts";
import { FsmBench, localAddress, remoteOpen } from "./support.ts";

const update: BgpMessage = { type: "update", withdrawals: [], announcements: [], problems: [] };
const refresh: BgpMessage = { type: "route-refresh", afi: 1, safi: 1, subtype: 0 };
const keepalive: BgpMessage = { type: "keepalive" };

function cease(subcode: number): BgpMessage {
  return { type: "notification", code: 6, subcode, data: new Uint8Array(0) };
}

/** `hold 90000`, `connect-retry off`. */
function timers(actions: readonly FsmAction[]): string[] {
  return actions.flatMap((action) => {
    if (action.type === "arm" || action.type === "arm-peer") return [`${action.timer} ${action.delayMs}`];
    return action.type === "cancel" || action.type === "cancel-peer" ? [`${action.timer} off`] : [];
  });
}

describe("start", () => {
  test("waits up to two seconds before the first dial", () => {
    const bench = new FsmBench({ random: 0.5 });
    expect(timers(bench.feed({ type: "start" }))).toEqual(["connect-retry 1000"]);
    expect(sessionStateOf(bench.state)).toBe("Active");
    bench.feed({ type: "timer-expired", timer: "connect-retry" });
    expect(bench.of("dial")).toHaveLength(1);
    expect(timers(bench.actions)).toEqual(["connect-retry 4375"]);
    expect(sessionStateOf(bench.state)).toBe("Connect");
  });

  test("never dials a passive peer", () => {
    const bench = new FsmBench({ config: { passive: true } });
    expect(bench.feed({ type: "start" })).toEqual([]);
    expect(bench.feed({ type: "timer-expired", timer: "connect-retry" })).toEqual([]);
    expect(sessionStateOf(bench.state)).toBe("Active");
  });

  test("dials no more when the peer was faster", () => {
    const bench = new FsmBench();
    bench.feed({ type: "start" });
    bench.accept();
    expect(timers(bench.actions)).toEqual(["hold 240000", "connect-retry off"]);
  });
});

describe("a dial", () => {
  const refused = { type: "lost", kind: "tcp-failed", text: "connection refused" } as const;

  test("that fails is repeated soon", () => {
    const bench = new FsmBench();
    bench.dial();
    expect(bench.on(refused)).toEqual([
      { type: "close", connection: 1, notification: undefined },
      { type: "arm-peer", timer: "connect-retry", delayMs: 375 },
    ]);
    expect(bench.state).toMatchObject({ name: "active", lastReason: { text: "connection refused" } });
    bench.feed({ type: "timer-expired", timer: "connect-retry" });
    expect(bench.of("dial")).toEqual([{ type: "dial", connection: 2 }]);
  });

  test("that goes on failing is repeated after the whole retry time, until there has been a session that lasts", () => {
    const bench = new FsmBench();
    const delays = Array.from({ length: 22 }, () => {
      bench.dial();
      const dialled = timers(bench.actions);
      bench.on(refused);
      return [...dialled, ...timers(bench.actions)];
    });
    expect(delays.slice(0, 20)).toEqual(delays.slice(0, 20).map(() => ["connect-retry 3750", "connect-retry 375"]));
    expect(delays.slice(20)).toEqual([["connect-retry 3750"], ["connect-retry 3750"]]);
    bench.establish();
    bench.on({ type: "lost", kind: "tcp-closed", text: "closed" });
    expect(timers(bench.actions)).toEqual(["connect-retry 3750"]);
    bench.establish();
    bench.advance(30_000);
    bench.on({ type: "lost", kind: "tcp-closed", text: "closed" });
    bench.dial();
    bench.on(refused);
    expect(timers(bench.actions)).toEqual(["connect-retry 375"]);
  });

  test("that gets no answer may have had the wrong password", () => {
    const bench = new FsmBench({ config: { transport: { key: { kind: "md5", password: new Secret("hunter2") } } } });
    bench.dial();
    bench.dial();
    expect(bench.state.lastReason?.text).toBe(
      "no answer from 10.0.0.2 port 179, which is also how a wrong TCP password looks",
    );
  });

  test("that gets no answer is given up and repeated", () => {
    const bench = new FsmBench();
    bench.dial();
    bench.feed({ type: "timer-expired", timer: "connect-retry" });
    expect(bench.actions.map(({ type }) => type)).toEqual(["close", "dial", "arm-peer"]);
    expect(bench.state.lastReason?.text).toContain("no answer from 10.0.0.2 port 179");
  });

  test("jitters its retry time anew each time", () => {
    const bench = new FsmBench();
    const delays = [0, 0.4, 0.999].map((random) => {
      bench.context = { ...bench.context, random };
      bench.dial();
      return bench.of("arm-peer")[0]?.delayMs ?? 0;
    });
    expect(delays.map(Math.round)).toEqual([3750, 4250, 4999]);
  });
});

describe("the way to Established", () => {
  test("sends OPEN, then KEEPALIVE, and keeps the timers of each state", () => {
    const bench = new FsmBench({ random: 1 });
    bench.openSent();
    expect(bench.of("send").map(({ message }) => message.type)).toEqual(["open"]);
    expect(timers(bench.actions)).toEqual(["hold 240000", "connect-retry off"]);
    bench.receive(remoteOpen());
    expect(bench.actions.map(({ type }) => type)).toEqual(["negotiated", "send", "arm", "arm"]);
    expect(bench.of("send").map(({ message }) => message.type)).toEqual(["keepalive"]);
    expect(timers(bench.actions)).toEqual(["hold 90000", "keepalive 30000"]);
    expect(sessionStateOf(bench.state)).toBe("OpenConfirm");
    bench.receive(keepalive);
    expect(bench.of("established")).toMatchObject([{ connection: 1, session: { holdTimeSec: 90 } }]);
    expect(sessionStateOf(bench.state)).toBe("Established");
  });

  test("runs without timers if one side wants hold time 0", () => {
    const bench = new FsmBench();
    bench.openConfirm(remoteOpen({ holdTimeSec: 0 }));
    expect(timers(bench.actions)).toEqual(["hold off"]);
    expect(timers(bench.receive(keepalive))).toEqual([]);
    expect(timers(bench.receive(update))).toEqual([]);
  });

  test("with DelayOpen waits for the peer's OPEN, and answers it with both messages at once", () => {
    const bench = new FsmBench({ timing: { delayOpenMs: 1000 }, random: 1 });
    bench.openSent();
    expect(timers(bench.actions)).toEqual(["delay-open 1000", "connect-retry off"]);
    expect(sessionStateOf(bench.state)).toBe("Active");
    bench.receive(remoteOpen());
    expect(bench.of("send").map(({ message }) => message.type)).toEqual(["open", "keepalive"]);
    expect(timers(bench.actions)).toContain("delay-open off");
  });

  test("with DelayOpen sends the OPEN when the time is over", () => {
    const bench = new FsmBench({ timing: { delayOpenMs: 1000 } });
    bench.openSent();
    bench.on({ type: "timer-expired", timer: "delay-open" });
    expect(bench.of("send").map(({ message }) => message.type)).toEqual(["open"]);
    expect(sessionStateOf(bench.state)).toBe("OpenSent");
  });

  test("asks for the state of our restart with each OPEN", () => {
    const bench = new FsmBench({
      config: { gracefulRestart: { restartTimeSec: 60 } },
      gracefulRestart: { restarting: true, preservedFamilies: ["ipv4-unicast"] },
    });
    bench.openSent();
    const [sent] = bench.of("send");
    expect(sent?.message).toMatchObject({
      capabilities: expect.arrayContaining([expect.objectContaining({ kind: "graceful-restart", restarting: true })]),
    });
  });
});

describe("Established", () => {
  test("delivers UPDATE and ROUTE-REFRESH, and every message restarts the hold timer", () => {
    const bench = new FsmBench();
    bench.establish();
    for (const message of [update, refresh]) {
      bench.receive(message);
      expect(bench.of("deliver")).toEqual([{ type: "deliver", message }]);
      expect(timers(bench.actions)).toEqual(["hold 90000"]);
    }
    expect(timers(bench.receive(keepalive))).toEqual(["hold 90000"]);
  });

  test("sends a KEEPALIVE when its timer expires, with fresh jitter", () => {
    const bench = new FsmBench({ random: 0 });
    bench.establish();
    expect(timers(bench.on({ type: "timer-expired", timer: "keepalive" }))).toEqual(["keepalive 22500"]);
    expect(bench.of("send")).toMatchObject([{ message: { type: "keepalive" } }]);
  });

  test.each([
    [90, 480_000],
    [3600, 7_200_000],
  ])("with hold time %i s waits %i ms for a peer that does not read", (holdTimeSec, delayMs) => {
    const bench = new FsmBench({ config: { holdTimeSec } });
    bench.establish(remoteOpen({ holdTimeSec: 65535 }));
    expect(timers(bench.on({ type: "write-blocked" }))).toEqual([`send-hold ${delayMs}`]);
    expect(timers(bench.on({ type: "write-progress" }))).toEqual([`send-hold ${delayMs}`]);
    expect(timers(bench.on({ type: "write-drained" }))).toEqual(["send-hold off"]);
    bench.on({ type: "timer-expired", timer: "send-hold" });
    expect(bench.closedWith()).toBe("8/0");
    expect(bench.of("down")).toMatchObject([{ reason: { kind: "send-hold-timer-expired" } }]);
  });
});

describe("a message out of place gets the subcode of RFC 6608 and its type as data", () => {
  const places = [
    {
      state: "OpenSent",
      code: "5/1",
      enter: (bench: FsmBench) => bench.openSent(),
      messages: [keepalive, update, refresh],
    },
    {
      state: "OpenConfirm",
      code: "5/2",
      enter: (bench: FsmBench) => bench.openConfirm(),
      messages: [remoteOpen(), update, refresh],
    },
    { state: "Established", code: "5/3", enter: (bench: FsmBench) => bench.establish(), messages: [remoteOpen()] },
  ];
  const types: Record<string, number> = { open: 1, update: 2, keepalive: 4, "route-refresh": 5 };
  for (const { state, code, enter, messages } of places)
    for (const message of messages)
      test(`${message.type} in ${state}`, () => {
        const bench = new FsmBench();
        enter(bench);
        bench.receive(message);
        expect(bench.closedWith()).toBe(code);
        expect(bench.of("close")[0]?.notification?.data).toEqual(Uint8Array.of(types[message.type] ?? 0));
      });
});

describe("after an error", () => {
  const badUpdate: ConnectionEvent = {
    type: "malformed",
    messageType: 2,
    error: { code: 3, subcode: 1, data: Uint8Array.of(1, 2), reason: "attribute list" },
  };

  /** Runs into an error and returns the wait after it. */
  function fail(bench: FsmBench): number | undefined {
    bench.establish();
    bench.on(badUpdate);
    return bench.of("arm-peer").find(({ timer }) => timer === "idle-hold")?.delayMs;
  }

  test("the NOTIFICATION carries the decoder's code and data, and the reason names it", () => {
    const bench = new FsmBench();
    fail(bench);
    expect(bench.of("close")[0]?.notification).toMatchObject({ code: 3, subcode: 1, data: Uint8Array.of(1, 2) });
    expect(bench.of("down")[0]?.reason).toMatchObject({
      kind: "notification-sent",
      text: "sent UPDATE Message Error: Malformed Attribute List: attribute list",
    });
  });

  test("waits 5 s, then twice as long with each error up to 30 s, and forgets after five quiet minutes", () => {
    const bench = new FsmBench();
    const waits: (number | undefined)[] = [];
    for (let round = 0; round < 5; round++) {
      waits.push(fail(bench));
      expect(sessionStateOf(bench.state)).toBe("Idle");
      bench.feed({ type: "timer-expired", timer: "idle-hold" });
    }
    expect(waits).toEqual([5000, 10_000, 20_000, 30_000, 30_000]);
    bench.advance(300_000);
    expect(fail(bench)).toBe(5000);
  });

  test("refuses the peer's connections with 6/5 while it waits", () => {
    const bench = new FsmBench();
    fail(bench);
    bench.accept();
    expect(bench.of("refuse")).toMatchObject([{ notification: { code: 6, subcode: 5 } }]);
  });

  test("a stop and a start forget the wait", () => {
    const bench = new FsmBench();
    fail(bench);
    expect(timers(bench.feed({ type: "stop", notification: undefined }))).toEqual(["idle-hold off"]);
    bench.feed({ type: "start" });
    expect(sessionStateOf(bench.state)).toBe("Active");
    bench.feed({ type: "timer-expired", timer: "connect-retry" });
    expect(fail(bench)).toBe(5000);
  });

  test.each([2, 3, 4, 5, 6, 7, 9, 10])("the peer's Cease 6/%i is no error: no wait", (subcode) => {
    const bench = new FsmBench();
    bench.establish();
    bench.receive(cease(subcode));
    expect(bench.closedWith()).toBeUndefined();
    expect(sessionStateOf(bench.state)).toBe("Active");
  });

  test.each([1, 8])("the peer's Cease 6/%i is one", (subcode) => {
    const bench = new FsmBench();
    bench.establish();
    bench.receive(cease(subcode));
    expect(bench.state.name).toBe("idle-hold");
  });

  test("silence is an error, but not of a peer that restarts gracefully", () => {
    const plain = new FsmBench();
    plain.establish();
    plain.on({ type: "timer-expired", timer: "hold" });
    expect(plain.closedWith()).toBe("4/0");
    expect(plain.state.name).toBe("idle-hold");
    const gracefulRestart = { restartTimeSec: 120 };
    const graceful = new FsmBench({ config: { gracefulRestart } });
    graceful.establish(remoteOpen({ gracefulRestart }));
    graceful.on({ type: "timer-expired", timer: "hold" });
    expect(graceful.state.name).toBe("active");
  });

  test("a lost session is dialled again at once if it had lasted, and soon if it had not", () => {
    const bench = new FsmBench({ random: 0 });
    bench.establish();
    bench.on({ type: "lost", kind: "tcp-closed", text: "closed" });
    expect(timers(bench.actions)).toEqual(["connect-retry 375"]);
    bench.establish();
    bench.advance(30_000);
    bench.on({ type: "lost", kind: "tcp-closed", text: "closed" });
    expect(timers(bench.actions)).toEqual(["connect-retry 0"]);
  });
});

describe("stop", () => {
  const shutdown = { type: "notification", code: 6, subcode: 2, data: Uint8Array.of(0) } as const;

  test("tells everyone whose TCP is up, and only the owner of an Established session that it is down", () => {
    const bench = new FsmBench();
    bench.openSent();
    bench.feed({ type: "stop", notification: shutdown });
    expect(bench.of("close")).toEqual([{ type: "close", connection: 1, notification: shutdown }]);
    expect(bench.of("down")).toEqual([]);
    bench.feed({ type: "start" });
    bench.establish();
    bench.feed({ type: "stop", notification: shutdown });
    expect(bench.of("down")).toMatchObject([{ reason: { kind: "notification-sent" } }]);
    expect(sessionStateOf(bench.state)).toBe("Idle");
  });

  test("gives up a dial without a word", () => {
    const bench = new FsmBench();
    bench.dial();
    bench.feed({ type: "stop", notification: shutdown });
    expect(bench.of("close")).toEqual([{ type: "close", connection: 1, notification: undefined }]);
    expect(timers(bench.actions)).toEqual(["connect-retry off"]);
  });

  test("refuses connections with 6/5 afterwards", () => {
    const bench = new FsmBench();
    bench.accept();
    expect(bench.of("refuse")).toMatchObject([{ notification: { code: 6, subcode: 5 } }]);
  });

  test("sends the NOTIFICATION as it is given, a Hard Reset too, and says what is inside", () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const bench = new FsmBench({ config: { gracefulRestart } });
    bench.establish(remoteOpen({ gracefulRestart }));
    const hardReset = { ...shutdown, subcode: 9, data: Uint8Array.of(6, 2, 1, 0x78) };
    bench.feed({ type: "stop", notification: hardReset });
    expect(bench.of("close")[0]?.notification).toEqual(hardReset);
    expect(bench.of("down")[0]?.reason.text).toBe(
      'sent Cease: Hard Reset (Cease: Administrative Shutdown) "x": stopped by this side',
    );
  });
});

describe("a path that is said to be dead", () => {
  const unreachable = { type: "unreachable", text: "BFD: control detection time expired" } as const;

  test("ends an Established session with Cease 6/10 (RFC 9384), and we dial again", () => {
    const bench = new FsmBench();
    bench.establish();
    bench.feed(unreachable);
    expect(bench.of("close")).toMatchObject([{ notification: { code: 6, subcode: 10 } }]);
    expect(bench.of("down")).toMatchObject([
      { reason: { kind: "bfd-down", text: "sent Cease: BFD Down: BFD: control detection time expired" } },
    ]);
    expect(timers(bench.actions)).toEqual(["connect-retry 375"]);
  });

  test("is told with a Hard Reset to a peer that would keep our routes over a Cease", () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const bench = new FsmBench({ config: { gracefulRestart } });
    bench.establish(remoteOpen({ gracefulRestart }));
    bench.feed(unreachable);
    expect(bench.of("close")[0]?.notification).toMatchObject({ code: 6, subcode: 9, data: Uint8Array.of(6, 10) });
  });

  test("is no news for a session that is not Established, or stopped", () => {
    const bench = new FsmBench();
    expect(bench.feed(unreachable)).toEqual([]);
    bench.openSent();
    expect(bench.feed(unreachable)).toEqual([]);
    expect(sessionStateOf(bench.state)).toBe("OpenSent");
  });
});

describe("connections of one peer", () => {
  test("of two half-open ones that it opened the newer one stays", () => {
    const bench = new FsmBench();
    bench.feed({ type: "start" });
    const older = bench.accept();
    const newer = bench.accept();
    expect(bench.of("close")).toMatchObject([{ connection: older, notification: { code: 6, subcode: 7 } }]);
    bench.receive(remoteOpen(), newer);
    expect(sessionStateOf(bench.state)).toBe("OpenConfirm");
  });

  test("events of one that is gone change nothing", () => {
    const bench = new FsmBench();
    const connection = bench.openSent();
    bench.on({ type: "lost", kind: "tcp-failed", text: "reset" });
    const { state } = bench;
    expect(bench.receive(remoteOpen(), connection)).toEqual([]);
    expect(bench.on({ type: "timer-expired", timer: "hold" }, connection)).toEqual([]);
    expect(bench.on({ type: "connected", localAddress }, 99)).toEqual([]);
    expect(bench.state).toBe(state);
  });

  test("a second one in Established is refused with 6/7 without graceful restart", () => {
    const bench = new FsmBench();
    bench.establish();
    bench.accept();
    expect(bench.of("refuse")).toMatchObject([{ notification: { code: 6, subcode: 7 } }]);
  });

  test("a second one in Established takes over with graceful restart when it is confirmed, not before", () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const bench = new FsmBench({ config: { gracefulRestart } });
    const old = bench.establish(remoteOpen({ gracefulRestart }));
    const fresh = bench.accept();
    bench.receive(remoteOpen({ gracefulRestart }), fresh);
    expect(bench.of("down")).toEqual([]);
    bench.receive(update, old);
    expect(bench.of("deliver")).toHaveLength(1);
    bench.receive(keepalive, fresh);
    expect(bench.actions.map(({ type }) => type)).toEqual(["close", "down", "arm", "established"]);
    expect(bench.of("close")).toEqual([{ type: "close", connection: old, notification: undefined }]);
    expect(bench.of("down")).toMatchObject([{ reason: { kind: "tcp-closed" } }]);
    expect(bench.of("established")).toMatchObject([{ connection: fresh }]);
  });

  test("a second one in Established that turns out broken leaves the session alone", () => {
    const gracefulRestart = { restartTimeSec: 120 };
    const bench = new FsmBench({ config: { gracefulRestart } });
    bench.establish(remoteOpen({ gracefulRestart }));
    const fresh = bench.accept();
    bench.receive(remoteOpen({ localAs: 65000 }), fresh);
    expect(bench.closedWith()).toBe("2/2");
    expect(bench.of("down")).toEqual([]);
    expect(sessionStateOf(bench.state)).toBe("Established");
  });

  test("a broken NOTIFICATION is not answered", () => {
    const bench = new FsmBench();
    bench.establish();
    const error = { code: 1, subcode: 2, data: new Uint8Array(0), reason: "too short" };
    bench.on({ type: "malformed", messageType: 3, error });
    expect(bench.of("close")).toEqual([{ type: "close", connection: 1, notification: undefined }]);
  });
});
