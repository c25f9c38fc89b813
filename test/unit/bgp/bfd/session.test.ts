import { describe, expect, test } from "vitest";
import type { BfdControlPacket, BfdState } from "../../../../src/bgp/bfd/packet.ts";
import { BfdSession, type BfdTimers } from "../../../../src/bgp/bfd/session.ts";

const fast: BfdTimers = { desiredMinTxUs: 100_000, requiredMinRxUs: 100_000, detectMultiplier: 3 };

interface End {
  readonly session: BfdSession;
  readonly sent: { readonly atMs: number; readonly packet: BfdControlPacket }[];
  readonly states: BfdState[];
}

/** Two sessions on one wire in virtual time; packets arrive at once. */
class Wire {
  nowMs = 0;
  /** Says which packets get lost. */
  lose: (from: number, packet: BfdControlPacket) => boolean = () => false;
  readonly ends: readonly [End, End];
  #queue: { readonly to: number; readonly packet: BfdControlPacket }[] = [];

  constructor(timers: readonly [BfdTimers, BfdTimers] = [fast, fast], random: () => number = () => 0.5) {
    this.ends = [this.#end(0, timers[0], random), this.#end(1, timers[1], random)];
  }

  get states(): readonly BfdState[] {
    return this.ends.map(({ session }) => session.state);
  }

  /** Lets time pass until `untilMs`, from one deadline to the next. */
  run(untilMs: number): void {
    for (;;) {
      const next = Math.min(...this.ends.map(({ session }) => session.deadlineMs));
      if (next > untilMs) break;
      this.nowMs = Math.max(this.nowMs, next);
      for (const { session } of this.ends) if (session.deadlineMs <= this.nowMs) session.advance(this.nowMs);
      this.#deliver();
    }
    this.nowMs = untilMs;
  }

  /** Calls a method of one end now, and delivers what it sends. */
  act(index: 0 | 1, action: (session: BfdSession) => void): void {
    action(this.ends[index].session);
    this.#deliver();
  }

  #deliver(): void {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift())
      this.ends[next.to]?.session.receive(next.packet, this.nowMs);
  }

  #end(index: number, timers: BfdTimers, random: () => number): End {
    const sent: { atMs: number; packet: BfdControlPacket }[] = [];
    const states: BfdState[] = [];
    const session = new BfdSession({
      timers,
      localDiscriminator: index + 1,
      random,
      send: (packet) => {
        sent.push({ atMs: this.nowMs, packet });
        if (!this.lose(index, packet)) this.#queue.push({ to: 1 - index, packet });
      },
      onChange: (was) => {
        if (session.state !== was) states.push(session.state);
      },
    });
    return { session, sent, states };
  }
}

function gaps(end: End, fromMs: number): number[] {
  const times = end.sent.filter(({ atMs, packet }) => atMs >= fromMs && !packet.final).map(({ atMs }) => atMs);
  return times.slice(1).map((at, index) => at - (times[index] ?? 0));
}

describe("two sessions of RFC 5880", () => {
  test("are Up after a three-way handshake, and tell each other their discriminators", () => {
    const wire = new Wire();
    wire.run(10);
    expect(wire.states).toEqual(["Up", "Up"]);
    expect(wire.ends.map(({ session }) => session.remoteDiscriminator)).toEqual([2, 1]);
  });

  test("send once a second while there is nobody, and at the negotiated rate when both are Up", () => {
    const wire = new Wire();
    wire.lose = () => true;
    wire.run(5000);
    expect(gaps(wire.ends[0], 0).every((gap) => gap >= 750 && gap <= 1000)).toBe(true);
    wire.lose = () => false;
    wire.run(8000);
    expect(wire.states).toEqual(["Up", "Up"]);
    expect(gaps(wire.ends[0], 7000).every((gap) => gap >= 75 && gap <= 100)).toBe(true);
    expect(gaps(wire.ends[0], 7000).length).toBeGreaterThan(8);
  });

  test("send at the slower one's rate", () => {
    const wire = new Wire([fast, { ...fast, requiredMinRxUs: 400_000 }]);
    wire.run(5000);
    expect(gaps(wire.ends[0], 3000).every((gap) => gap >= 300 && gap <= 400)).toBe(true);
    expect(wire.ends[0].session.snapshot()).toMatchObject({ transmitIntervalMs: 400, detectionTimeMs: 300 });
    expect(wire.ends[1].session.snapshot()).toMatchObject({ transmitIntervalMs: 100, detectionTimeMs: 1200 });
  });

  test("go Down when three packets in a row are missing, and not when two are", () => {
    const wire = new Wire([fast, fast], () => 0);
    wire.run(2000);
    let lost = 0;
    wire.lose = (from) => from === 1 && lost++ < 2;
    wire.run(3000);
    expect(wire.states).toEqual(["Up", "Up"]);
    wire.lose = (from) => from === 1;
    wire.run(3000 + 301);
    expect(wire.ends[0].session.snapshot()).toMatchObject({ state: "Down", diagnostic: 1 });
    // The other still hears, and is told.
    expect(wire.ends[1].session.snapshot()).toMatchObject({ state: "Down", diagnostic: 3, remoteDiagnostic: 1 });
    wire.lose = () => false;
    wire.run(6000);
    expect(wire.states).toEqual(["Up", "Up"]);
  });

  test("keep within the jitter that RFC 5880 §6.8.7 asks for with a multiplier of 1", () => {
    const once = { ...fast, detectMultiplier: 1 };
    for (const random of [() => 0, () => 0.999]) {
      const wire = new Wire([once, once], random);
      wire.run(3000);
      expect(wire.states).toEqual(["Up", "Up"]);
      expect(gaps(wire.ends[0], 2000).every((gap) => gap >= 75 && gap <= 90)).toBe(true);
    }
  });

  test("answer a poll at once with a final, and stop polling then", () => {
    const wire = new Wire();
    wire.run(1500);
    const before = wire.ends[1].sent.length;
    wire.act(0, (session) => session.setTimers({ ...fast, requiredMinRxUs: 50_000 }, wire.nowMs));
    expect(wire.ends[0].sent.at(-1)?.packet).toMatchObject({ poll: true, requiredMinRxUs: 50_000 });
    expect(wire.ends[1].sent.slice(before).map(({ packet }) => packet.final)).toEqual([true]);
    wire.run(2500);
    expect(wire.ends[0].sent.at(-1)?.packet.poll).toBe(false);
    expect(wire.ends[0].session.snapshot().detectionTimeMs).toBe(300);
  });

  test("change their timers while Up without a loss, in both directions", () => {
    const wire = new Wire();
    wire.run(1500);
    for (const us of [1_000_000, 10_000, 300_000])
      for (const index of [0, 1] as const) {
        const timers = { desiredMinTxUs: us, requiredMinRxUs: us, detectMultiplier: 3 };
        wire.act(index, (session) => session.setTimers(timers, wire.nowMs));
        wire.run(wire.nowMs + 5000);
        expect(wire.states).toEqual(["Up", "Up"]);
      }
    expect(wire.ends.map(({ states }) => states.at(-1))).toEqual(["Up", "Up"]);
    expect(wire.ends[0].session.snapshot()).toMatchObject({ transmitIntervalMs: 300, detectionTimeMs: 900 });
  });

  test("wait for the answer before a longer interval is used, since the peer would take it for a loss", () => {
    const wire = new Wire();
    wire.run(1500);
    wire.lose = (from, packet) => from === 1 && packet.final;
    wire.act(0, (session) => session.setTimers({ ...fast, desiredMinTxUs: 1_000_000 }, wire.nowMs));
    wire.run(1700);
    expect(gaps(wire.ends[0], 1500).every((gap) => gap <= 100)).toBe(true);
    expect(wire.states).toEqual(["Up", "Up"]);
  });

  test("tell each other when one ends on purpose, and the other knows that it was", () => {
    const wire = new Wire();
    wire.run(1500);
    wire.act(0, (session) => session.shutDown(wire.nowMs));
    expect(wire.ends[1].session.snapshot()).toMatchObject({
      state: "Down",
      diagnostic: 3,
      remoteState: "AdminDown",
      remoteDiagnostic: 7,
    });
    const sent = wire.ends[0].sent.length;
    wire.run(10_000);
    expect(wire.ends[0].sent.length).toBe(sent);
  });

  test("forget the discriminator of who has been silent, so that it may come back as another", () => {
    const wire = new Wire();
    wire.run(1500);
    wire.lose = () => true;
    wire.run(3000);
    expect(wire.ends[0].session.remoteDiscriminator).toBe(0);
    expect(wire.ends[0].sent.at(-1)?.packet.yourDiscriminator).toBe(0);
  });
});

describe("a session", () => {
  const packet: BfdControlPacket = {
    diagnostic: 0,
    state: "Down",
    poll: false,
    final: false,
    controlPlaneIndependent: false,
    demand: false,
    detectMultiplier: 3,
    myDiscriminator: 9,
    yourDiscriminator: 0,
    desiredMinTxUs: 1_000_000,
    requiredMinRxUs: 1_000_000,
    requiredMinEchoRxUs: 0,
  };

  test.each([
    ["Down", "Down", "Init"],
    ["Down", "Init", "Up"],
    ["Down", "Up", "Down"],
    ["Down", "AdminDown", "Down"],
    ["Init", "Down", "Init"],
    ["Init", "Init", "Up"],
    ["Init", "Up", "Up"],
    ["Init", "AdminDown", "Down"],
    ["Up", "Down", "Down"],
    ["Up", "Init", "Up"],
    ["Up", "Up", "Up"],
    ["Up", "AdminDown", "Down"],
  ] as const)("that is %s and hears %s is %s (RFC 5880 §6.8.6)", (from, heard, to) => {
    const { session } = lonely();
    if (from !== "Down") session.receive({ ...packet, state: "Down" }, 0);
    if (from === "Up") session.receive({ ...packet, state: "Init", yourDiscriminator: 1 }, 0);
    expect(session.state).toBe(from);
    session.receive({ ...packet, state: heard, yourDiscriminator: 1 }, 1);
    expect(session.state).toBe(to);
  });

  test("sends nothing to a peer that wants nothing, but answers its polls", () => {
    const { session, sent } = lonely();
    session.receive({ ...packet, requiredMinRxUs: 0, state: "Init", yourDiscriminator: 1 }, 0);
    session.receive({ ...packet, requiredMinRxUs: 0, state: "Up", yourDiscriminator: 1, final: true }, 0);
    sent.length = 0;
    session.advance(2000);
    expect(sent).toEqual([]);
    session.receive({ ...packet, requiredMinRxUs: 0, state: "Up", yourDiscriminator: 1, poll: true }, 2500);
    expect(sent.map(({ final }) => final)).toEqual([true]);
  });

  test("honours a peer in demand mode", () => {
    const { session, sent } = lonely();
    session.receive({ ...packet, state: "Init", yourDiscriminator: 1 }, 0);
    session.receive({ ...packet, state: "Up", yourDiscriminator: 1, demand: true, final: true }, 0);
    sent.length = 0;
    session.advance(2500);
    expect(sent).toEqual([]);
  });

  test("that was shut down hears nothing any more", () => {
    const { session, sent } = lonely();
    session.shutDown(0);
    sent.length = 0;
    session.receive({ ...packet, poll: true }, 1);
    expect(session.state).toBe("AdminDown");
    expect(sent).toEqual([]);
    expect(session.deadlineMs).toBeGreaterThan(1000);
  });
});

function lonely(): { readonly session: BfdSession; readonly sent: BfdControlPacket[] } {
  const sent: BfdControlPacket[] = [];
  const session = new BfdSession({
    timers: fast,
    localDiscriminator: 1,
    random: () => 0,
    send: (packet) => sent.push(packet),
    onChange: () => {},
  });
  return { session, sent };
}
