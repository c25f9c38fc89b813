import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { step } from "../../src/bgp/fsm/peer.ts";
import { initialPeerState, sessionStateOf } from "../../src/bgp/fsm/peer-state.ts";
import type { Connection, ConnectionEvent, FsmContext, FsmEvent, PeerState } from "../../src/bgp/fsm/types.ts";
import type { BgpMessage } from "../../src/bgp/packet/message.ts";
import { fsmContext, localAddress, remoteOpen } from "../unit/bgp/fsm/support.ts";

const gracefulRestart = { restartTimeSec: 120 };
const noData = new Uint8Array(0);

const message: fc.Arbitrary<BgpMessage> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(0x0a000000, 0x0a000002).map((id) => remoteOpen({}, { bgpIdentifier: id })) },
  { weight: 2, arbitrary: fc.constant(remoteOpen({ gracefulRestart })) },
  { weight: 1, arbitrary: fc.constant(remoteOpen({ holdTimeSec: 0 })) },
  { weight: 1, arbitrary: fc.constant(remoteOpen({ localAs: 65001 })) },
  // A peer that refuses capabilities: all, and two by name.
  {
    weight: 1,
    arbitrary: fc
      .constantFrom({ subcode: 4, data: noData }, { subcode: 7, data: Uint8Array.of(70, 0, 6, 0) })
      .map((refusal): BgpMessage => ({ type: "notification", code: 2, ...refusal })),
  },
  { weight: 6, arbitrary: fc.constant<BgpMessage>({ type: "keepalive" }) },
  {
    weight: 2,
    arbitrary: fc.constant<BgpMessage>({ type: "update", withdrawals: [], announcements: [], problems: [] }),
  },
  { weight: 1, arbitrary: fc.constant<BgpMessage>({ type: "route-refresh", afi: 1, safi: 1, subtype: 0 }) },
  {
    weight: 1,
    arbitrary: fc
      .record({ code: fc.nat(9), subcode: fc.nat(12), data: fc.uint8Array({ maxLength: 8 }) })
      .map((fields): BgpMessage => ({ type: "notification", ...fields })),
  },
);

const connectionEvent: fc.Arbitrary<ConnectionEvent> = fc.oneof(
  { weight: 8, arbitrary: message.map((value): ConnectionEvent => ({ type: "message", message: value })) },
  { weight: 4, arbitrary: fc.constant<ConnectionEvent>({ type: "connected", localAddress }) },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("tcp-closed" as const, "tcp-failed" as const)
      .map((kind): ConnectionEvent => ({ type: "lost", kind, text: "gone" })),
  },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom("hold" as const, "keepalive" as const, "send-hold" as const, "delay-open" as const)
      .map((timer): ConnectionEvent => ({ type: "timer-expired", timer })),
  },
  {
    weight: 1,
    arbitrary: fc.option(fc.nat(6), { nil: undefined }).map(
      (messageType): ConnectionEvent => ({
        type: "malformed",
        messageType,
        error: { code: 1, subcode: 2, data: noData, reason: "broken" },
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("write-blocked" as const, "write-progress" as const, "write-drained" as const)
      .map((type): ConnectionEvent => ({ type })),
  },
);

/** An event for the connection that is `recent` back from the newest; older ones are gone or never were. */
type Draft =
  | { readonly kind: "peer"; readonly event: FsmEvent }
  | { readonly kind: "connection"; readonly recent: number; readonly event: ConnectionEvent };

const draft: fc.Arbitrary<Draft> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc
      .constantFrom<FsmEvent>(
        { type: "start" },
        { type: "timer-expired", timer: "connect-retry" },
        { type: "timer-expired", timer: "idle-hold" },
        { type: "accepted", localAddress },
        { type: "accepted", localAddress },
        { type: "unreachable", text: "BFD is down" },
      )
      .map((event): Draft => ({ kind: "peer", event })),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom<FsmEvent>(
        { type: "stop", notification: undefined },
        { type: "stop", notification: { type: "notification", code: 6, subcode: 2, data: noData } },
      )
      .map((event): Draft => ({ kind: "peer", event })),
  },
  {
    weight: 12,
    arbitrary: fc
      .record({ recent: fc.nat(3), event: connectionEvent })
      .map((fields): Draft => ({ kind: "connection", ...fields })),
  },
);

/** The timers that must run in a state; those that may run besides are in `optional`. */
function expectedTimers(state: PeerState, context: FsmContext): { must: string[]; optional: string[] } {
  if (state.name === "stopped") return { must: [], optional: [] };
  if (state.name === "idle-hold") return { must: ["idle-hold"], optional: [] };
  const dials = state.connections.some((connection) => connection.state.name === "connecting");
  const waits = !context.config.passive && (state.connections.length === 0 || dials);
  return {
    must: [...(waits ? ["connect-retry"] : []), ...state.connections.flatMap(timersOf)],
    optional: state.connections.filter((one) => one.state.name === "established").map(({ id }) => `${id} send-hold`),
  };
}

function timersOf({ id, state }: Connection): string[] {
  switch (state.name) {
    case "connecting":
      return [];
    case "open-delayed":
      return [`${id} delay-open`];
    case "open-sent":
      return [`${id} hold`];
    default:
      return state.session.holdTimeSec === 0 ? [] : [`${id} hold`, `${id} keepalive`];
  }
}

/** Feeds events and checks after each one all that must hold of state and actions. Returns the states it went through. */
function walk(context: FsmContext, drafts: readonly Draft[]): Set<string> {
  let state = initialPeerState;
  const timers = new Set<string>();
  const open = new Set<number>();
  const visited = new Set<string>();
  let isUp = false;
  for (const [index, item] of drafts.entries()) {
    const event = materialise(item, state, index);
    const timer = timerOf(event);
    // A driver never reports a timer that does not run.
    if (timer !== undefined && !timers.delete(timer)) continue;
    const moment = { ...context, nowMs: index * 7_000, random: (index * 0.37) % 1 };
    const result = step(state, event, moment);
    for (const action of result.actions) {
      switch (action.type) {
        case "dial":
        case "adopt":
          expect(open.has(action.connection)).toBe(false);
          open.add(action.connection);
          break;
        case "close":
          expect(open.delete(action.connection)).toBe(true);
          for (const name of timers) if (name.startsWith(`${action.connection} `)) timers.delete(name);
          if (event.type === "connection" && event.connection === action.connection && isNotification(event.event))
            expect(action.notification).toBeUndefined();
          break;
        case "send":
        case "negotiated":
          expect(open.has(action.connection)).toBe(true);
          break;
        case "arm":
          expect(action.delayMs).toBeGreaterThanOrEqual(0);
          timers.add(`${action.connection} ${action.timer}`);
          break;
        case "cancel":
          timers.delete(`${action.connection} ${action.timer}`);
          break;
        case "arm-peer":
          timers.add(action.timer);
          break;
        case "cancel-peer":
          timers.delete(action.timer);
          break;
        case "established":
          expect(isUp).toBe(false);
          isUp = true;
          break;
        case "down":
          expect(isUp).toBe(true);
          expect(action.reason.text).not.toBe("");
          isUp = false;
          break;
        case "deliver":
          expect(isUp).toBe(true);
          break;
        case "refuse":
          expect(event.type).toBe("accepted");
      }
    }
    checkMemory(state, result.state, isUp);
    state = result.state;
    visited.add(sessionStateOf(state));
    checkState(state, moment, timers, open, isUp);
  }
  return visited;
}

/** What a peer refused counts until it has had a session, or the owner stops it. */
function checkMemory(before: PeerState, after: PeerState, isUp: boolean): void {
  if (after.name === "stopped") expect(after.withheld).toEqual([]);
  if (sessionStateOf(before) === "Established" && !isUp) expect(after.withheld).toEqual([]);
}

function checkState(
  state: PeerState,
  context: FsmContext,
  timers: ReadonlySet<string>,
  open: ReadonlySet<number>,
  isUp: boolean,
): void {
  const connections = state.name === "active" ? state.connections : [];
  expect(new Set(connections.map(({ id }) => id))).toEqual(open);
  const pending = connections.filter((connection) => connection.state.name !== "established");
  expect(connections.length - pending.length).toBe(isUp ? 1 : 0);
  for (const origin of ["outgoing", "incoming"])
    expect(pending.filter((connection) => connection.origin === origin).length).toBeLessThanOrEqual(1);
  expect(sessionStateOf(state) === "Established").toBe(isUp);
  const { must, optional } = expectedTimers(state, context);
  expect([...timers].filter((timer) => !optional.includes(timer)).sort()).toEqual(must.sort());
}

function materialise(item: Draft, state: PeerState, index: number): FsmEvent {
  // Without this most walks would never leave Idle.
  if (index === 0) return { type: "start" };
  if (item.kind === "peer") return item.event;
  return { type: "connection", connection: Math.max(0, state.lastConnection - item.recent), event: item.event };
}

function timerOf(event: FsmEvent): string | undefined {
  if (event.type === "timer-expired") return event.timer;
  if (event.type !== "connection" || event.event.type !== "timer-expired") return undefined;
  return `${event.connection} ${event.event.timer}`;
}

function isNotification(event: ConnectionEvent): boolean {
  return event.type === "message" && event.message.type === "notification";
}

describe("the state machine of a peer", () => {
  test("keeps its promises over any sequence of events", () => {
    const visited = new Set<string>();
    const configuration = fc.record({
      passive: fc.boolean(),
      graceful: fc.boolean(),
      delayOpenMs: fc.constantFrom(0, 0, 1_000),
    });
    // Few walks come as far as Established, so now and then it takes more of them.
    for (let batch = 0; batch === 0 || (batch < 10 && !visited.has("Established")); batch++)
      fc.assert(
        fc.property(configuration, fc.array(draft, { minLength: 1, maxLength: 60 }), (chosen, drafts) => {
          const { passive, graceful, delayOpenMs } = chosen;
          const context = fsmContext({
            config: { passive, ...(graceful ? { gracefulRestart } : {}) },
            timing: { delayOpenMs },
          });
          for (const name of walk(context, drafts)) visited.add(name);
        }),
        { numRuns: 2_000 },
      );
    expect([...visited].sort()).toEqual(["Active", "Connect", "Established", "Idle", "OpenConfirm", "OpenSent"]);
  });
});
