import { describe, expect, test } from "vitest";
import { BfdEngine } from "../../../../src/bgp/bfd/engine.ts";
import { type BfdControlPacket, decodeControlPacket, encodeControlPacket } from "../../../../src/bgp/bfd/packet.ts";
import type { BfdPeer, BfdReport } from "../../../../src/bgp/bfd/types.ts";

const peer: BfdPeer = {
  name: "tor",
  remoteAddress: "10.0.0.1",
  localAddress: "10.0.0.2",
  scopeId: 0,
  multihop: false,
  timers: { desiredMinTxUs: 100_000, requiredMinRxUs: 100_000, detectMultiplier: 3 },
};

const hello: BfdControlPacket = {
  diagnostic: 0,
  state: "Down",
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  detectMultiplier: 3,
  myDiscriminator: 77,
  yourDiscriminator: 0,
  desiredMinTxUs: 1_000_000,
  requiredMinRxUs: 1_000_000,
  requiredMinEchoRxUs: 0,
};

const arrival = { multihop: false, source: "10.0.0.1", interfaceIndex: 4, ttl: 255 };

function setUp(options: { readonly refuse?: () => string | undefined } = {}) {
  const sent: { readonly name: string; readonly packet: BfdControlPacket }[] = [];
  const closed: string[] = [];
  const reports: BfdReport[] = [];
  const clock = { nowMs: 0, monotonicMs: () => clock.nowMs, wallMs: () => 1_000_000 + clock.nowMs };
  let random = 0;
  const engine = new BfdEngine({
    clock,
    random: () => (random = (random + 0.381966) % 1),
    open: ({ name }) => {
      const refusal = options.refuse?.();
      if (refusal !== undefined) throw new Error(refusal);
      return {
        send: (octets) => {
          const packet = decodeControlPacket(octets);
          if (typeof packet === "string") throw new Error(packet);
          sent.push({ name, packet });
        },
        close: () => closed.push(name),
      };
    },
    report: (report) => reports.push(report),
  });
  const statusOf = (name: string) =>
    reports
      .flatMap((report) => (report.kind === "status" && report.status.name === name ? [report.status] : []))
      .at(-1);
  return { engine, sent, closed, clock, statusOf };
}

function octets(change: Partial<BfdControlPacket> = {}): Uint8Array {
  return encodeControlPacket({ ...hello, ...change });
}

describe("the engine", () => {
  test("gives a first packet to the session of its sender, and later ones by discriminator", () => {
    const { engine, sent, statusOf } = setUp();
    engine.setPeers([peer, { ...peer, name: "other", remoteAddress: "10.0.0.9" }]);
    engine.receive({ ...arrival, octets: octets() });
    expect([statusOf("tor")?.state, statusOf("other")?.state]).toEqual(["Init", "Down"]);
    const yourDiscriminator = sent.find(({ name }) => name === "tor")?.packet.myDiscriminator ?? 0;
    engine.receive({ ...arrival, octets: octets({ state: "Init", yourDiscriminator }) });
    expect([statusOf("tor")?.state, statusOf("other")?.state]).toEqual(["Up", "Down"]);
  });

  test.each([
    ["that a router has forwarded (RFC 5881 §5)", { ttl: 254 }],
    ["on the port of multihop sessions", { multihop: true }],
    ["of a stranger", { source: "10.0.0.8" }],
  ])("ignores a packet %s", (_, change) => {
    const { engine, statusOf } = setUp();
    engine.setPeers([peer]);
    engine.receive({ ...arrival, octets: octets(), ...change });
    expect(statusOf("tor")?.state).toBe("Down");
  });

  test("takes forwarded packets for a multihop session (RFC 5883)", () => {
    const { engine, statusOf } = setUp();
    engine.setPeers([{ ...peer, multihop: true }]);
    engine.receive({ ...arrival, multihop: true, ttl: 61, octets: octets() });
    expect(statusOf("tor")?.state).toBe("Init");
  });

  test("ignores a packet that knows a session's discriminator but comes from somebody else", () => {
    const { engine, sent, statusOf } = setUp();
    engine.setPeers([peer]);
    engine.receive({ ...arrival, octets: octets() });
    const yourDiscriminator = sent.at(-1)?.packet.myDiscriminator ?? 0;
    engine.receive({ ...arrival, source: "10.0.0.8", octets: octets({ state: "Init", yourDiscriminator }) });
    expect(statusOf("tor")?.state).toBe("Init");
  });

  test("tells link-local neighbours of one address apart by their interface", () => {
    const { engine, statusOf } = setUp();
    const local = { ...peer, remoteAddress: "fe80::1", localAddress: "fe80::2" };
    engine.setPeers([
      { ...local, name: "left", scopeId: 4 },
      { ...local, name: "right", scopeId: 5 },
    ]);
    engine.receive({ ...arrival, source: "fe80::1", interfaceIndex: 5, octets: octets() });
    expect([statusOf("left")?.state, statusOf("right")?.state]).toEqual(["Down", "Init"]);
  });

  test("keeps the session of a peer whose timers change, and makes another when its address does", () => {
    const { engine, sent, closed } = setUp();
    engine.setPeers([peer]);
    engine.advance();
    engine.setPeers([{ ...peer, timers: { ...peer.timers, desiredMinTxUs: 2_000_000 } }]);
    expect(closed).toEqual([]);
    expect(sent.at(-1)?.packet.desiredMinTxUs).toBe(2_000_000);
    engine.setPeers([{ ...peer, localAddress: "10.0.0.3" }]);
    expect(closed).toEqual(["tor"]);
    engine.advance();
    expect(new Set(sent.map(({ packet }) => packet.myDiscriminator)).size).toBe(2);
  });

  test("says good-bye to a peer that is taken away", () => {
    const { engine, sent, closed } = setUp();
    engine.setPeers([peer]);
    engine.advance();
    engine.setPeers([]);
    expect(sent.at(-1)?.packet).toMatchObject({ state: "AdminDown", diagnostic: 7 });
    expect(closed).toEqual(["tor"]);
    expect(engine.deadlineMs).toBe(Number.POSITIVE_INFINITY);
  });

  test("tries again for ever when packets cannot be sent, and says why in the status", () => {
    let refusal: string | undefined = "no such address";
    const { engine, sent, clock, statusOf } = setUp({ refuse: () => refusal });
    engine.setPeers([peer]);
    engine.advance();
    expect(statusOf("tor")?.problem).toBe("no such address");
    refusal = undefined;
    clock.nowMs = engine.deadlineMs;
    engine.advance();
    expect(statusOf("tor")?.problem).toBeUndefined();
    expect(sent.length).toBe(1);
  });
});
